//! `firewarden export`: writes everything in the database to files, without the server.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::PathBufValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use firewarden_server::{ExportRequest, Exported, TransferProgress, export};

use crate::progress::Display;
use crate::settings;

const EXAMPLES: &str = "\
Examples:
  firewarden export records/
  firewarden export --gzip --history --with-sealed-secrets everything/

Writes one NDJSON file for each type, in parts, and a manifest.json with counts and digests, which an
import checks. All of it is of one moment. With --history every version and deletion is written, in
lines that an import takes back with their ids, versions, times and methods. No policy is asked:
whoever can open the database may do this, and may read the files.

Secrets are never written in clear. They are left out, or, with --with-sealed-secrets, written as the
database has them, to be imported where FIREWARDEN_SECRETS_KEY is the same. Sessions are not
exported.";

pub(crate) fn command() -> Command {
    let folder = Arg::new("DIR").required(true).help("A folder that is not there, or empty");
    let folder = folder.value_parser(PathBufValueParser::new());
    let flag = |id: &'static str, long: &'static str, help: &'static str| {
        Arg::new(id).long(long).action(ArgAction::SetTrue).help(help)
    };
    let sealed = flag("SEALED", "with-sealed-secrets", "Secrets, sealed with this database's key");
    Command::new("export")
        .about("Exports the database as NDJSON")
        .after_help(EXAMPLES)
        .arg(folder)
        .arg(flag("HISTORY", "history", "Every version and deletion"))
        .arg(flag("GZIP", "gzip", "Compressed files"))
        .arg(sealed.requires("HISTORY"))
        .args(settings::flags(|name| name == "DATABASE_URL"))
}

pub(crate) fn run(arguments: &ArgMatches) -> anyhow::Result<()> {
    let settings = settings::read(arguments)?;
    let folder = arguments.get_one::<PathBuf>("DIR").cloned().unwrap_or_default();
    let request = ExportRequest {
        folder,
        history: arguments.get_flag("HISTORY"),
        gzip: arguments.get_flag("GZIP"),
        sealed_secrets: arguments.get_flag("SEALED"),
    };
    let progress = Arc::new(TransferProgress::default());
    let display = Display::start("exported", &progress);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(export(settings, request, progress));
    let seconds = display.end();
    let Exported { lines, files, without_secrets } = done?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{lines} lines in {files} files, in {seconds:.1} s")?;
    if without_secrets > 0 {
        writeln!(
            out,
            "the secrets of {without_secrets} resources were left out: `--history \
             --with-sealed-secrets` takes them along"
        )?;
    }
    Ok(())
}
