//! The one executable: its commands, their arguments and what they print.

mod asked_server;
mod backup;
mod export;
mod import;
mod limits;
mod migrate;
mod policy;
mod progress;
mod restore;
mod serve;
mod settings;
mod token;

use std::io::Write;
use std::process::ExitCode;

use clap::Command;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let matches = command().get_matches();
    let done = match matches.subcommand() {
        Some(("serve", arguments)) => serve::run(arguments),
        Some(("migrate", arguments)) => migrate::run(arguments),
        Some(("backup", arguments)) => backup::run(arguments),
        Some(("restore", arguments)) => restore::run(arguments),
        Some(("import", arguments)) => import::run(arguments),
        Some(("export", arguments)) => export::run(arguments),
        Some(("token", arguments)) => token::run(arguments),
        Some(("policy", arguments)) => policy::run(arguments),
        // clap has told the user already.
        _ => return ExitCode::FAILURE,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "firewarden: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    Command::new("firewarden")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A FHIR R4 server that answers only what its policies allow")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(serve::command())
        .subcommand(migrate::command())
        .subcommand(backup::command())
        .subcommand(restore::command())
        .subcommand(import::command())
        .subcommand(export::command())
        .subcommand(token::command())
        .subcommand(policy::command())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_commands_are_sound() {
        super::command().debug_assert();
    }
}
