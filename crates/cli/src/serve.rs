//! `firewarden serve`: runs the server.

use std::io::Write;

use clap::{ArgMatches, Command};
use firewarden_server::{Started, serve};
use tokio::signal::unix::{SignalKind, signal};

use crate::settings;

const EXAMPLES: &str = "\
Examples:
  firewarden serve
  firewarden serve --listen 0.0.0.0:8080 --public-url https://fhir.example.com
  FIREWARDEN_ROOT_CLIENT_SECRET_FILE=/run/secrets/root firewarden serve --init-bundle init.yaml

Every setting is also FIREWARDEN_NAME in the environment and `name` in firewarden.toml; the flag
wins over the environment, the environment over the file. Secrets have no flags: they would be
seen in the list of processes. NAME_FILE reads a value from a file.";

pub(crate) fn command() -> Command {
    Command::new("serve")
        .about("Runs the server")
        .after_help(EXAMPLES)
        .args(settings::flags(|_| true))
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    let settings = settings::read(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = stop_signal()?;
        serve(settings, stop, announce).await?;
        anyhow::Ok(())
    })
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
