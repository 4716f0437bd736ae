//! `firewarden policy`: looks at policies before a server has them.

mod check;
mod files;

use clap::{ArgMatches, Command};

pub(crate) fn command() -> Command {
    Command::new("policy")
        .about("Looks at policies before a server has them")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(check::command())
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    match arguments.subcommand() {
        Some(("check", arguments)) => check::run(arguments),
        _ => Ok(()),
    }
}
