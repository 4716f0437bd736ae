//! `firewarden token inspect`: takes a token apart, believing none of it.

use std::io::Write;

use clap::{Arg, ArgMatches, Command};
use firewarden_identity::inspect::decode;
use jiff::Timestamp;
use serde_json::{Map, Value};

const EXAMPLES: &str = "\
Examples:
  firewarden token inspect eyJhbGciOi…
  firewarden token mint --iss i --sub s --secret x | firewarden token inspect -

The signature is not checked: this shows what a token says, not whether it is true.";

pub(crate) fn command() -> Command {
    let token =
        Arg::new("TOKEN").required(true).help("The token, or - to read it from standard input");
    Command::new("inspect").about("Takes a token apart").after_help(EXAMPLES).arg(token)
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    let mut token = arguments.get_one::<String>("TOKEN").cloned().unwrap_or_default();
    if token == "-" {
        token.clear();
        std::io::stdin().read_line(&mut token)?;
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
