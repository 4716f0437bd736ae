//! `firewarden token`: mints and takes apart tokens, for trying things out.

mod explain;
mod inspect;
mod mint;

use clap::{ArgMatches, Command};

pub(crate) fn command() -> Command {
    Command::new("token")
        .about("Mints and takes apart tokens, for trying things out")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(mint::command())
        .subcommand(inspect::command())
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    match arguments.subcommand() {
        Some(("mint", arguments)) => mint::run(arguments),
        Some(("inspect", arguments)) => inspect::run(arguments),
        _ => Ok(()),
    }
}
