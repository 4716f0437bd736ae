//! `firewarden policy`: checks and tests policies, and asks a server why it decided as it did.

mod check;
mod explain;
mod files;
mod test;

use clap::{ArgMatches, Command};

pub(crate) fn command() -> Command {
    Command::new("policy")
        .about("Checks, tests and explains policies")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(check::command())
        .subcommand(test::command())
        .subcommand(explain::command())
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    match arguments.subcommand() {
        Some(("check", arguments)) => check::run(arguments),
        Some(("test", arguments)) => test::run(arguments),
        Some(("explain", arguments)) => explain::run(arguments),
        _ => Ok(()),
    }
}
