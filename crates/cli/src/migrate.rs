//! `firewarden migrate`: brings the database's schema to this program's version.

use std::io::Write;

use clap::{ArgMatches, Command};
use firewarden_server::upkeep;

use crate::settings;

const AFTER: &str = "\
`serve` does the same when it starts. Each step is done whole or not at all, so that what was
interrupted is done by the next start. An older program refuses a newer schema: back up first.";

pub(crate) fn command() -> Command {
    Command::new("migrate")
        .about("Brings the database's schema to this version of the program")
        .after_help(AFTER)
        .args(settings::flags(|name| name == "DATABASE_URL"))
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    let migrated = upkeep::migrate(&settings::read(arguments)?)?;
    let mut out = std::io::stdout().lock();
    if migrated.from == migrated.to {
        writeln!(out, "The schema has version {}, as this program's", migrated.to)?;
    } else {
        writeln!(out, "The schema was brought from version {} to {}", migrated.from, migrated.to)?;
    }
    Ok(())
}
