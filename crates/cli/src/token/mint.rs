//! `firewarden token mint`: signs a JWT for trying things out.

use std::io::Write;

use anyhow::{Context, bail};
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};
use firewarden_identity::Algorithm;
use firewarden_identity::mint::{SigningKey, token};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

const EXAMPLES: &str = "\
Examples:
  firewarden token mint --iss https://auth.example.com --sub basic --secret very-secret
  firewarden token mint --iss https://auth.example.com --sub basic --secret very-secret \\
      --exp 5m --claim aud=https://fhir.example.com --claim 'scope=user/*.read'
  firewarden token mint --iss https://auth.example.com --sub basic --key key.pem --alg ES256 --kid k1

A claim's value is read as JSON where it is JSON (numbers, lists), else as a text.";

pub(crate) fn command() -> Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new("mint")
        .about("Signs a JWT")
        .after_help(EXAMPLES)
        .arg(option("iss", "URL", "Issuer").required(true))
        .arg(option("sub", "TEXT", "Subject").required(true))
        .arg(option("secret", "TEXT", "Shared secret, for HS256, HS384, HS512"))
        .arg(option("key", "FILE", "Private key (PEM, PKCS#8), for every other algorithm"))
        .group(ArgGroup::new("by").args(["secret", "key"]).required(true))
        .arg(option("alg", "NAME", "Algorithm [default: HS256 with --secret, RS256 with --key]"))
        .arg(option("kid", "TEXT", "Id of the key, for the header"))
        .arg(option("exp", "DURATION", "How long it is valid: 90s, 15m, 1h").default_value("1h"))
        .arg(
            option("claim", "NAME=VALUE", "A further claim; may be repeated")
                .action(ArgAction::Append),
        )
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    let text = |name: &str| arguments.get_one::<String>(name).map(String::as_str);
    let (key, default) = match (text("secret"), text("key")) {
        (Some(secret), _) => (SigningKey::from_secret(secret.as_bytes())?, "HS256"),
        (None, Some(path)) => {
            let pem =
                std::fs::read_to_string(path).with_context(|| format!("cannot read `{path}`"))?;
            (SigningKey::from_pem(&pem)?, "RS256")
        }
        (None, None) => bail!("--secret or --key is needed"),
    };
    let name = text("alg").unwrap_or(default);
    let algorithm =
        Algorithm::parse(name).with_context(|| format!("there is no algorithm `{name}`"))?;
    let mut header = Map::new();
    header.insert("typ".to_owned(), "JWT".into());
    if let Some(kid) = text("kid") {
        header.insert("kid".to_owned(), kid.into());
    }
    let claims = claims(arguments)?;
    let token = token(algorithm, &header, &claims, &key)?;
    writeln!(std::io::stdout(), "{token}")?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a token is minted for now")]
fn claims(arguments: &ArgMatches) -> anyhow::Result<Map<String, Value>> {
    let text = |name: &str| arguments.get_one::<String>(name).cloned().unwrap_or_default();
    let duration = text("exp");
    let lasts: SignedDuration =
        duration.parse().with_context(|| format!("`{duration}` is not a duration such as 1h"))?;
    let now = Timestamp::now().as_second();
    let mut claims = Map::new();
    claims.insert("iss".to_owned(), text("iss").into());
    claims.insert("sub".to_owned(), text("sub").into());
    claims.insert("iat".to_owned(), now.into());
    claims.insert("exp".to_owned(), now.saturating_add(lasts.as_secs()).into());
    for claim in arguments.get_many::<String>("claim").into_iter().flatten() {
        let (name, value) = claim
            .split_once('=')
            .with_context(|| format!("`{claim}` is not of the form NAME=VALUE"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        claims.insert(name.to_owned(), value);
    }
    Ok(claims)
}
