//! `firewarden token inspect`: takes a token apart, believing none of it.

use std::io::Write;

use anyhow::Context;
use clap::{Arg, ArgMatches, Command};
use firewarden_identity::inspect::decode;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::explain::{self, Server};

const EXAMPLES: &str = "\
Examples:
  firewarden token inspect eyJhbGciOi…
  firewarden token mint --iss i --sub s --secret x | firewarden token inspect -

  FIREWARDEN_CLIENT=root:… firewarden token inspect eyJhbGciOi… --url http://127.0.0.1:8080

The signature is not checked: this shows what a token says, not whether it is true. With --url, the
server there says which of its introspectors matches and which check fails; the client that asks
must be an administrator. A secret in --client is seen in the list of processes: the environment is
not.";

/// Where the client is read from when no flag names it.
const CLIENT_VARIABLE: &str = "FIREWARDEN_CLIENT";

pub(crate) fn command() -> Command {
    let token =
        Arg::new("TOKEN").required(true).help("The token, or - to read it from standard input");
    let url = Arg::new("URL").long("url").value_name("URL").help("The server that judges it");
    let client = Arg::new("CLIENT").long("client").value_name("ID:SECRET").requires("URL");
    let client = client.help(format!("Who asks it [default: {CLIENT_VARIABLE}]"));
    let command = Command::new("inspect").about("Takes a token apart").after_help(EXAMPLES);
    command.arg(token).arg(url).arg(client)
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    let mut token = arguments.get_one::<String>("TOKEN").cloned().unwrap_or_default();
    if token == "-" {
        token.clear();
        std::io::stdin().read_line(&mut token)?;
    }
    if let Some(server) = server(arguments)? {
        return explain::run(token.trim(), &server, &mut std::io::stdout().lock());
    }
    let decoded = decode(token.trim()).map_err(|check| {
        anyhow::anyhow!("not a signed JWT in compact form: the check `{}` fails", check.label())
    })?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "header {:#}", Value::Object(decoded.header))?;
    for line in times(&decoded.claims) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "claims {:#}", Value::Object(decoded.claims))?;
    writeln!(out, "The signature was not checked.")?;
    Ok(())
}

/// The server that is asked, if one is.
#[expect(clippy::disallowed_methods, reason = "the environment is read here")]
fn server(arguments: &ArgMatches) -> anyhow::Result<Option<Server>> {
    let Some(url) = arguments.get_one::<String>("URL").cloned() else {
        return Ok(None);
    };
    let client = arguments.get_one::<String>("CLIENT").cloned();
    let client = client.or_else(|| std::env::var(CLIENT_VARIABLE).ok());
    let client = client
        .with_context(|| format!("who asks? give --client ID:SECRET, or set {CLIENT_VARIABLE}"))?;
    Ok(Some(Server { url, client }))
}

/// The times of a token in words.
#[expect(clippy::disallowed_methods, reason = "a token is looked at now")]
fn times(claims: &Map<String, Value>) -> Vec<String> {
    let now = Timestamp::now();
    let words = ["iat", "nbf", "exp"].into_iter().filter_map(|name| {
        let seconds = claims.get(name)?.as_f64()?;
        let at = Timestamp::from_duration(jiff::SignedDuration::try_from_secs_f64(seconds).ok()?);
        let at = at.ok()?;
        let tense = if at <= now { "past" } else { "future" };
        Some(format!("{name}    {at} ({tense})"))
    });
    words.collect()
}
