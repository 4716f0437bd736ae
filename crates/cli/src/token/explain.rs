//! `firewarden token inspect --url`: asks a server how it judges a token.

use std::io::Write;

use anyhow::{Context, bail};
use firewarden_identity::ask::{basic_authorization, post_json};
use serde_json::{Value, json};

/// The server that is asked, and who asks.
pub(super) struct Server {
    pub(super) url: String,
    /// `id:secret`.
    pub(super) client: String,
}

/// Prints how a server judges a token.
pub(super) fn run(token: &str, server: &Server, out: &mut impl Write) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let body = json!({"token": token}).to_string();
    let authorization = basic_authorization(&server.client);
    let asked = post_json(&server.url, "/auth/test-token", &authorization, body);
    let (status, text) = runtime.block_on(asked)?;
    match status {
        200 => {}
        401 => bail!("the server does not accept the client: give it as --client ID:SECRET"),
        403 => bail!("the client is no administrator: an `allow` policy must link it"),
        status => bail!("the server answered {status}"),
    }
    let trace: Value = serde_json::from_str(&text).context("the server's answer is not JSON")?;
    print(&trace, out)
}

fn print(trace: &Value, out: &mut impl Write) -> anyhow::Result<()> {
    for name in ["introspector", "user", "client"] {
        if let Some(id) = trace.get(name).and_then(|named| named.get("id")?.as_str()) {
            writeln!(out, "{name:<16}{}", shown(id))?;
        }
    }
    let checks = trace.get("checks").and_then(Value::as_array);
    for check in checks.into_iter().flatten() {
        let text = |name: &str| check.get(name).and_then(Value::as_str).unwrap_or_default();
        let passed = check.get("passed") == Some(&Value::Bool(true));
        let mark = if passed { "ok    " } else { "FAILED" };
        writeln!(out, "{mark}  {:<16}{}", shown(text("check")), shown(text("detail")))?;
    }
    let accepted = trace.get("accepted") == Some(&Value::Bool(true));
    writeln!(out, "{}", if accepted { "The token is accepted." } else { "The token is refused." })?;
    Ok(())
}

/// A text of the server's, which a token may have coloured, without what would steer a terminal.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_a_table() {
        let trace = json!({
            "accepted": false,
            "introspector": {"resourceType": "TokenIntrospector", "id": "keycloak"},
            "checks": [
                {"check": "issuer", "passed": true, "detail": "it is `keycloak`'s"},
                {"check": "exp", "passed": false, "detail": "61 s ago\u{1b}[2J"},
            ],
        });
        let mut out = Vec::new();
        print(&trace, &mut out).unwrap();
        let expected = "\
introspector    keycloak
ok      issuer          it is `keycloak`'s
FAILED  exp             61 s ago[2J
The token is refused.
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
