//! `firewarden backup`: copies the database while the server runs.

use std::io::Write;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};
use firewarden_server::upkeep;

use crate::settings;

const AFTER: &str = "\
FILE and FILE.manifest.json belong together. Secrets in them are sealed with the secrets key, which
is not among them: keep it apart, for without it a backup cannot be restored.

  firewarden backup /backups/firewarden-2026-11-22.db";

pub(crate) fn command() -> Command {
    let file = Arg::new("FILE").required(true).value_parser(value_parser!(PathBuf));
    let file = file.help("Where the copy goes; it must not be there yet");
    Command::new("backup")
        .about("Copies the database into a file, while the server runs")
        .after_help(AFTER)
        .arg(file)
        .args(settings::flags(|name| name == "DATABASE_URL"))
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    let settings = settings::read(arguments)?;
    let file = arguments.get_one::<PathBuf>("FILE").cloned().unwrap_or_default();
    let made = upkeep::backup(&settings, &file)?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{}: {} resources, {} bytes, schema version {}, SHA-256 {}",
        file.display(),
        made.resources,
        made.bytes,
        made.schema,
        made.sha256
    )?;
    Ok(())
}
