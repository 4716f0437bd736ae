//! `firewarden policy explain`: asks a server why a request is allowed or refused.

use std::io::Write;

use anyhow::Context;
use clap::{Arg, ArgGroup, ArgMatches, Command};
use serde_json::{Map, Value};

use crate::asked_server::{self, AskedServer, shown};

const EXAMPLES: &str = "\
Examples:
  export FIREWARDEN_CLIENT=root:…
  firewarden policy explain --url http://127.0.0.1:8080 --request-id 01932c07-…
  firewarden policy explain --url http://127.0.0.1:8080 --request 'GET /fhir/Patient?name=x' \\
      --user-id alice

The id of a request stands in the header X-Request-Id of its answer, and in the log. A request that
is given with --request is decided as it would be now, and not made.";

pub(crate) fn command() -> Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let command = Command::new("explain")
        .about("Tells why a request is allowed or refused")
        .after_help(EXAMPLES)
        .arg(option("request-id", "ID", "A request that was decided"))
        .arg(option("request", "LINE", "A request: METHOD /path?query"))
        .group(ArgGroup::new("asked").args(["request-id", "request"]).required(true))
        .arg(option("user-id", "ID", "The User who makes it").requires("request"))
        .arg(option("client-id", "ID", "The Client that makes it").requires("request"))
        .arg(option("jwt", "JSON", "The claims of its token").requires("request"))
        .arg(option("body", "JSON", "The resource that it sends").requires("request"));
    asked_server::arguments(command).mut_arg("URL", |url| url.required(true))
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    let server = AskedServer::of(arguments)?.context("which server? give --url")?;
    let told = match arguments.get_one::<String>("request-id") {
        Some(id) => server.get(&format!("/auth/decisions/{id}"))?,
        None => server.post("/auth/explain", asked(arguments)?.to_string())?,
    };
    let mut out = std::io::stdout().lock();
    match told.get("entries").and_then(Value::as_array) {
        Some(entries) => {
            for entry in entries {
                let number = entry.get("entry").and_then(Value::as_u64).unwrap_or_default();
                writeln!(out, "entry {number}")?;
                print(entry, &mut out)?;
            }
        }
        None => print(&told, &mut out)?,
    }
    Ok(())
}

/// What is asked of the server.
fn asked(arguments: &ArgMatches) -> anyhow::Result<Value> {
    let text = |name: &str| arguments.get_one::<String>(name).map(String::as_str);
    let json = |name: &str| -> anyhow::Result<Option<Value>> {
        let value = text(name).map(serde_json::from_str);
        value.transpose().with_context(|| format!("--{name} is not JSON"))
    };
    let line = text("request").unwrap_or_default();
    let (method, uri) = line.split_once(' ').unwrap_or(("GET", line));
    let mut request = Map::new();
    request.insert("method".to_owned(), method.into());
    request.insert("uri".to_owned(), uri.into());
    request.extend(json("body")?.map(|body| ("resource".to_owned(), body)));
    let mut asked = Map::new();
    asked.insert("request".to_owned(), Value::Object(request));
    for name in ["user-id", "client-id"] {
        asked.extend(text(name).map(|id| (name.to_owned(), id.into())));
    }
    asked.extend(json("jwt")?.map(|claims| ("jwt".to_owned(), claims)));
    Ok(Value::Object(asked))
}

fn print(told: &Value, out: &mut impl Write) -> anyhow::Result<()> {
    let text = |pointer: &str| {
        told.pointer(pointer).and_then(Value::as_str).map(shown).unwrap_or_default()
    };
    writeln!(out, "request   {} {}", text("/request/method").to_uppercase(), text("/request/uri"))?;
    writeln!(out, "caller    {}", caller(told.get("caller")))?;
    let decision = text("/decision");
    let why = text("/reason");
    let why = if why.is_empty() { text("/ruled-by") } else { why };
    writeln!(out, "decision  {decision} ({why})")?;
    for (of, rows) in told.get("rows").and_then(Value::as_object).into_iter().flatten() {
        writeln!(out, "rows      {of}: {}", shown(rows.as_str().unwrap_or_default()))?;
    }
    for policy in told.get("considered").and_then(Value::as_array).into_iter().flatten() {
        print_policy(policy, out)?;
    }
    if let Some(left_out) = told.get("left-out").and_then(Value::as_u64).filter(|n| *n > 0) {
        writeln!(out, "and {left_out} more policies")?;
    }
    let note = text("/note");
    if !note.is_empty() {
        writeln!(out, "{note}")?;
    }
    Ok(())
}

fn caller(caller: Option<&Value>) -> String {
    let members = caller.and_then(Value::as_object).into_iter().flatten();
    let told: Vec<String> = members
        .map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name} {}", shown(text)),
            None if *value == Value::Bool(true) => name.clone(),
            None => format!("{name} {}", shown(&value.to_string())),
        })
        .collect();
    told.join(", ")
}

fn print_policy(policy: &Value, out: &mut impl Write) -> anyhow::Result<()> {
    let text = |name: &str| shown(policy.get(name).and_then(Value::as_str).unwrap_or_default());
    writeln!(out, "policy    {:<24} {}", text("policy"), text("verdict"))?;
    if let Some(failing) = policy.get("failing") {
        for line in failing_lines(failing) {
            writeln!(out, "          {line}")?;
        }
    }
    for name in ["rows", "note"] {
        let told = text(name);
        if !told.is_empty() {
            writeln!(out, "          {name}: {told}")?;
        }
    }
    Ok(())
}

/// Where a rule fails; of a rule of several, each branch.
fn failing_lines(failing: &Value) -> Vec<String> {
    match failing {
        Value::Array(branches) => branches.iter().flat_map(failing_lines).collect(),
        Value::Object(members) => match members.get("path") {
            Some(path) => {
                let shown_of = |value: Option<&Value>| {
                    value.map(|value| shown(&value.to_string())).unwrap_or_default()
                };
                let path = path.as_str().map_or_else(|| path.to_string(), str::to_owned);
                let path = if path.is_empty() { "/".to_owned() } else { shown(&path) };
                let (expected, but) = (members.get("expected"), members.get("but"));
                vec![format!("at {path}: expected {}, but {}", shown_of(expected), shown_of(but))]
            }
            None => {
                let branch = members.get("branch").and_then(Value::as_str);
                let branch = branch.map(|branch| format!("in {}", shown(branch)));
                let inner = members.get("failing").map(failing_lines).unwrap_or_default();
                branch.into_iter().chain(inner).collect()
            }
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            vec![shown(&failing.to_string())]
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_explanation_is_a_page() {
        let told = json!({
            "request": {"method": "get", "uri": "/fhir/Patient"},
            "caller": {"user": "alice", "roles": ["nurse"]},
            "decision": "deny",
            "reason": "not-granted",
            "considered": [
                {"policy": "own", "verdict": "not-satisfied",
                 "failing": {"path": "/request-method", "expected": "put", "but": "get\u{1b}[2J"}},
                {"policy": "two", "verdict": "not-satisfied",
                 "failing": [{"branch": "and[0]", "failing": {"path": "", "expected": 1, "but": 2}}]},
                {"policy": "left", "verdict": "not-satisfied", "note": "its `rows` do not list it"},
            ],
            "left-out": 2,
        });
        let mut out = Vec::new();
        print(&told, &mut out).unwrap();
        let expected = "\
request   GET /fhir/Patient
caller    user alice, roles [\"nurse\"]
decision  deny (not-granted)
policy    own                      not-satisfied
          at /request-method: expected \"put\", but \"get\\u001b[2J\"
policy    two                      not-satisfied
          in and[0]
          at /: expected 1, but 2
policy    left                     not-satisfied
          note: its `rows` do not list it
and 2 more policies
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
