//! `firewarden restore`: puts a backup in the database's place, and tells which rights come back.

use std::io::Write;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use firewarden_server::settings::Settings;
use firewarden_server::upkeep::{self, Before, Restored};

use crate::settings;

const AFTER: &str = "\
The server must not run. The backup is verified before anything is touched; a database that is there
is set aside with `--replace`. All sessions end. Policies, introspectors, users and clients are again
as they were: what was taken away since the backup is listed, and the server warns at each start
until you have looked at it:

  firewarden restore /backups/firewarden-2026-11-22.db
  firewarden restore --reviewed";

pub(crate) fn command() -> Command {
    let file = Arg::new("FILE").value_parser(value_parser!(PathBuf)).help("The backup");
    let replace = Arg::new("replace").long("replace").action(ArgAction::SetTrue);
    let reviewed = Arg::new("reviewed").long("reviewed").action(ArgAction::SetTrue);
    Command::new("restore")
        .about("Restores the database from a backup")
        .after_help(AFTER)
        .arg(file.required_unless_present("reviewed").conflicts_with("reviewed"))
        .arg(replace.help("Set aside the database that is there").conflicts_with("reviewed"))
        .arg(reviewed.help("Note that the rights that came back were looked at"))
        .args(settings::flags(|name| name == "DATABASE_URL"))
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    let settings = settings::read(arguments)?;
    let mut out = std::io::stdout().lock();
    let Some(file) = arguments.get_one::<PathBuf>("FILE") else {
        let told = match upkeep::reviewed(&settings)? {
            true => "Noted: the server no longer warns of what the restore brought back",
            false => "There is nothing to be reviewed",
        };
        writeln!(out, "{told}")?;
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let restored =
        runtime.block_on(upkeep::restore(&settings, file, arguments.get_flag("replace")))?;
    tell(&mut out, &settings, &restored)?;
    Ok(())
}

fn tell(out: &mut impl Write, settings: &Settings, restored: &Restored) -> std::io::Result<()> {
    let Restored { manifest, policy_version, sessions_ended, rights, set_aside } = restored;
    writeln!(
        out,
        "{}: restored, as of {}, {} resources",
        settings.database, manifest.created, manifest.resources
    )?;
    if let Some(aside) = set_aside {
        writeln!(out, "The database that was there is `{}`", aside.display())?;
    }
    writeln!(out, "Sessions ended: {sessions_ended}. Policy version: {policy_version}")?;
    writeln!(out, "Rights that are as they were then:")?;
    for of in rights {
        let differ = of.differ;
        match of.listed.first().map(|right| right.before) {
            None => writeln!(out, "  {}: {}", of.of, of.count)?,
            Some(Before::Unknown) => writeln!(out, "  {}: {}", of.of, of.count)?,
            Some(Before::Gone | Before::Other) => {
                writeln!(out, "  {}: {}, of which {differ} differ", of.of, of.count)?;
            }
        }
        for right in &of.listed {
            let how = match right.before {
                Before::Unknown => "",
                Before::Gone => ": IT WAS NOT THERE ANY MORE",
                Before::Other => ": it was another version",
            };
            writeln!(out, "    {}/{} of {}{how}", of.of, right.id, right.updated)?;
        }
        let more = differ - of.listed.len() as u64;
        if more > 0 {
            writeln!(out, "    AND {more} MORE, which are not listed: search for them")?;
        }
    }
    writeln!(out, "Look at them: what was taken away since the backup was made is granted again.")?;
    writeln!(out, "Then run `firewarden restore --reviewed`; until then the server warns.")
}
