//! `firewarden import`: brings files into the database, without the server.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::builder::PathBufValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use firewarden_server::{ImportRequest, Imported, TransferProgress, import};

use crate::progress::Display;
use crate::settings;

const EXAMPLES: &str = "\
Examples:
  firewarden import records/
  firewarden import Patient.ndjson.gz Observation.ndjson.gz
  firewarden import --rejected bad.ndjson bundle.json

A file holds one resource a line (.ndjson, .jsonl), or one resource or Bundle (.json), each also
compressed (.gz). A folder is imported with what is in it; an export with its manifest's digests
checked. Every resource is checked and indexed as an update by an administrator would be, and keeps
its id. No policy is asked: whoever can open the database may do this. What cannot be imported is
written to the file of --rejected with the reasons, and the exit code is 1.

The import goes on where it ended when the same command is run again. Into a database without
records, the index is built at the end: until then the server does not start on it. With --finish
and no files, it is built of what is there.";

/// What of the settings an import depends on: references below the public URL are local.
const SETTINGS: &[&str] =
    &["DATABASE_URL", "LISTEN", "PUBLIC_URL", "OUTBOUND_ALLOW", "BODY_LIMIT", "BUNDLE_LIMIT"];

pub(crate) fn command() -> Command {
    let paths = Arg::new("PATH").num_args(1..).required_unless_present("FINISH");
    let paths = paths.help("Files and folders").value_parser(PathBufValueParser::new());
    let rejected = Arg::new("REJECTED").long("rejected").value_name("FILE");
    let rejected = rejected.help("Where rejected lines are told [default: import-rejected.ndjson]");
    let rejected = rejected.value_parser(PathBufValueParser::new());
    let finish = Arg::new("FINISH").long("finish").action(ArgAction::SetTrue);
    let finish =
        finish.help("Builds the index that an ended import has left").conflicts_with("PATH");
    Command::new("import")
        .about("Imports NDJSON and Bundles into the database")
        .after_help(EXAMPLES)
        .args([paths, rejected, finish])
        .args(settings::flags(|name| SETTINGS.contains(&name)))
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    let settings = settings::read(arguments)?;
    let paths = arguments.get_many::<PathBuf>("PATH").into_iter().flatten().cloned().collect();
    let rejected = arguments.get_one::<PathBuf>("REJECTED").cloned();
    let progress = Arc::new(TransferProgress::default());
    let display = Display::start("imported", &progress);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(import(settings, ImportRequest { paths, rejected }, progress));
    let seconds = display.end();
    let done = done?;
    let Imported { created, updated, already_there, rejected, rejected_file } = done;
    let all = created + updated + already_there;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{all} imported in {seconds:.1} s, {:.0}/s: {created} created, {updated} updated, \
         {already_there} were there already",
        all as f64 / seconds.max(0.001),
    )?;
    match rejected_file {
        Some(file) if rejected > 0 => bail!("{rejected} were rejected: see `{}`", file.display()),
        Some(_) | None => Ok(()),
    }
}
