//! A server that a command asks, and who asks.

use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, Command};
use firewarden_identity::ask::{basic_authorization, get_json, post_json};
use serde_json::Value;

/// Where the client is read from when no flag names it.
pub(crate) const CLIENT_VARIABLE: &str = "FIREWARDEN_CLIENT";

/// The server that is asked, and who asks.
pub(crate) struct AskedServer {
    url: String,
    authorization: String,
}

/// The command with the options that name a server.
pub(crate) fn arguments(command: Command) -> Command {
    let url = Arg::new("URL").long("url").value_name("URL").help("The server that is asked");
    let client = Arg::new("CLIENT").long("client").value_name("ID:SECRET").requires("URL");
    let client = client.help(format!("Who asks it [default: {CLIENT_VARIABLE}]"));
    command.arg(url).arg(client)
}

impl AskedServer {
    /// The server that the arguments name, if they do.
    #[expect(clippy::disallowed_methods, reason = "the environment is read here")]
    pub(crate) fn of(arguments: &ArgMatches) -> anyhow::Result<Option<Self>> {
        let Some(url) = arguments.get_one::<String>("URL").cloned() else {
            return Ok(None);
        };
        let client = arguments.get_one::<String>("CLIENT").cloned();
        let client = client.or_else(|| std::env::var(CLIENT_VARIABLE).ok());
        let client = client.with_context(|| {
            format!("who asks? give --client ID:SECRET, or set {CLIENT_VARIABLE}")
        })?;
        Ok(Some(Self { url, authorization: basic_authorization(&client) }))
    }

    /// Posts a JSON text.
    pub(crate) fn post(&self, path: &str, json: String) -> anyhow::Result<Value> {
        let asked = post_json(&self.url, path, &self.authorization, json);
        answer(runtime()?.block_on(asked)?)
    }

    /// Gets a JSON text.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        let asked = get_json(&self.url, path, &self.authorization);
        answer(runtime()?.block_on(asked)?)
    }
}

/// Where a command waits for what it asks.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn answer((status, text): (u16, String)) -> anyhow::Result<Value> {
    let json = serde_json::from_str::<Value>(&text);
    match status {
        200 => json.context("the server's answer is not JSON"),
        401 => bail!("the server does not accept the client: give it as --client ID:SECRET"),
        403 => bail!("the client is no administrator: an `allow` policy must link it"),
        404 => bail!("the server knows of no such request, or no longer"),
        status => {
            let json = json.unwrap_or_default();
            let why = json.pointer("/issue/0/diagnostics").and_then(Value::as_str);
            bail!("the server answered {status}: {}", shown(why.unwrap_or_default()))
        }
    }
}

/// A text of the server's, without what would steer a terminal.
pub(crate) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
