//! `firewarden serve`: runs the server.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::{Arg, ArgMatches, Command};
use firewarden_server::settings::{SETTINGS, Settings, Sources};
use firewarden_server::{Started, serve};
use tokio::signal::unix::{SignalKind, signal};

const EXAMPLES: &str = "\
Examples:
  firewarden serve
  firewarden serve --listen 0.0.0.0:8080 --public-url https://fhir.example.com
  FIREWARDEN_ROOT_CLIENT_SECRET_FILE=/run/secrets/root firewarden serve --init-bundle init.yaml

Every setting is also FIREWARDEN_NAME in the environment and `name` in firewarden.toml; the flag
wins over the environment, the environment over the file. Secrets have no flags: they would be
seen in the list of processes. NAME_FILE reads a value from a file.";

/// The file of settings that is read when it is there.
const FILE: &str = "firewarden.toml";

pub(crate) fn command() -> Command {
    let flag = |name: &str| name.to_ascii_lowercase().replace('_', "-");
    let arguments = SETTINGS.iter().filter(|setting| !setting.secret).map(|setting| {
        Arg::new(setting.name).long(flag(setting.name)).value_name("VALUE").help(setting.help)
    });
    let file = Arg::new("CONFIG")
        .long("config")
        .value_name("FILE")
        .help(format!("File of settings [default: {FILE}, if it is there]"));
    Command::new("serve").about("Runs the server").after_help(EXAMPLES).arg(file).args(arguments)
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    let settings = settings(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = stop_signal()?;
        serve(settings, stop, announce).await?;
        anyhow::Ok(())
    })
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here")]
fn settings(arguments: &ArgMatches) -> anyhow::Result<Settings> {
    let flags = SETTINGS.iter().filter(|setting| !setting.secret).filter_map(|setting| {
        let value = arguments.get_one::<String>(setting.name)?;
        Some((setting.name.to_owned(), value.clone()))
    });
    let sources = Sources {
        flags: flags.collect::<HashMap<_, _>>(),
        environment: &|name| std::env::var(name).ok(),
        file: file(arguments.get_one::<String>("CONFIG").map(String::as_str))?,
        read_file: &|path| std::fs::read_to_string(path),
    };
    Ok(Settings::read(&sources)?)
}

/// The file of settings. One that was named must be there; nothing unreadable is passed over.
fn file(named: Option<&str>) -> anyhow::Result<toml::Table> {
    let path = named.unwrap_or(FILE);
    if named.is_none() && !Path::new(path).exists() {
        return Ok(toml::Table::new());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{path}`"))?;
    // The error of the TOML reader shows the line, which may hold a secret.
    text.parse().map_err(|error: toml::de::Error| anyhow::anyhow!("`{path}`: {}", error.message()))
}

/// Done at the first SIGTERM or SIGINT; the second one ends the process at once.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (told, stop) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut told = Some(told);
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            match told.take() {
                Some(told) => {
                    let _ = told.send(());
                }
                None => std::process::exit(1),
            }
        }
    });
    Ok(async move {
        let _ = stop.await;
    })
}

/// Tells the operator where the server is, and the secret that is shown this once.
fn announce(started: &Started) {
    let mut out = std::io::stdout().lock();
    let Started { public_url, root_client_id, .. } = started;
    let _ = writeln!(out, "Firewarden serves FHIR R4 at {public_url}/fhir");
    match &started.generated_secret {
        Some(secret) => {
            let _ = writeln!(out, "Root client: {root_client_id}");
            let _ = writeln!(out, "Its secret, shown this once: {}", secret.as_str());
        }
        None => {
            let _ = writeln!(out, "Root client: {root_client_id} (its secret was set before)");
        }
    }
    let _ = out.flush();
}
