//! `firewarden policy test`: runs tests of policies, out of files or on a server.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::builder::PathBufValueParser;
use clap::{Arg, ArgMatches, Command};
use firewarden_server::test_policies;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::files;
use crate::asked_server::{self, AskedServer, runtime, shown};

const EXAMPLES: &str = "\
Examples:
  firewarden policy test policies.yaml tests/*.yaml
  FIREWARDEN_CLIENT=root:… firewarden policy test changed.yaml --url http://127.0.0.1:8080
  FIREWARDEN_CLIENT=root:… firewarden policy test --url http://127.0.0.1:8080

A file holds resources, one, a list or a Bundle, in JSON or YAML: AccessPolicy, AccessPolicyTest,
User, Role and Client. Without --url the tests see these alone, and a policy of the engine sql, which
asks a database, grants nothing. With --url they are run on what the server has, as it would stand
with the files; nothing is saved. Without a test in the files, the server runs its own. The exit
code is 1 when a test fails.";

pub(crate) fn command() -> Command {
    let files = Arg::new("FILE").num_args(0..).required_unless_present("URL");
    let files = files.help("Files with policies, tests, users, roles and clients");
    let files = files.value_parser(PathBufValueParser::new());
    let command = Command::new("test").about("Runs tests of policies").after_help(EXAMPLES);
    asked_server::arguments(command.arg(files))
}

#[expect(clippy::disallowed_methods, reason = "tests are run now")]
pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    let mut resources = Vec::new();
    for path in arguments.get_many::<PathBuf>("FILE").into_iter().flatten() {
        resources.extend(files::resources(path)?);
    }
    let told = match AskedServer::of(arguments)? {
        Some(server) => {
            server.post("/auth/policy-tests", json!({"resources": resources}).to_string())?
        }
        None => {
            let run = test_policies(&resources, Timestamp::now());
            runtime()?.block_on(run).map_err(|issue| {
                let at = issue.expression.unwrap_or_default();
                anyhow::anyhow!("{at}: {}", issue.diagnostics)
            })?
        }
    };
    if print(&told, &mut std::io::stdout().lock())? {
        return Ok(());
    }
    bail!("there are tests that fail")
}

/// Prints what came of each test. Whether all passed, and there was one.
fn print(told: &Value, out: &mut impl Write) -> anyhow::Result<bool> {
    for test in told.get("tests").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| shown(test.get(name).and_then(Value::as_str).unwrap_or_default());
        let passed = test.get("passed") == Some(&Value::Bool(true));
        let mark = if passed { "ok    " } else { "FAILED" };
        writeln!(out, "{}", format!("{mark}  {}  {}", text("id"), text("description")).trim_end())?;
        if !passed {
            writeln!(out, "        expected {}", text("expected"))?;
            writeln!(out, "        got      {}", text("got"))?;
        }
    }
    let count = |name: &str| told.get(name).and_then(Value::as_u64).unwrap_or_default();
    let (passed, failed) = (count("passed"), count("failed"));
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(failed == 0 && passed > 0)
}
