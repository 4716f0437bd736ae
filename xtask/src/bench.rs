//! The release binary measured beside a bare handler, in one run on one machine.

mod bare;
mod connection;
mod load;
mod machine;
mod program;
mod records;
mod report;
mod run;
mod token;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

pub(crate) use bare::{BareArguments, serve as serve_bare};

/// What is measured, and for how long.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Seconds of one measurement; server and bare handler take turns.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Turns each.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Patients loaded; each has ten Observations.
    #[arg(long, default_value_t = 2_000)]
    patients: usize,
    /// The server's executable instead of the release build of this checkout.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Puts the table into this Markdown file, in place of the one there.
    #[arg(long)]
    write: Option<PathBuf>,
}

/// Measures and prints the table. A debug build makes a release build and hands over to it.
pub(crate) fn measure(arguments: &Arguments, workspace: &Path) -> anyhow::Result<()> {
    let executable = std::env::current_exe()?;
    let folder = executable.parent().context("this executable is in no folder")?;
    if cfg!(debug_assertions) {
        return in_release(arguments, workspace, folder);
    }
    let server = arguments.server.clone().unwrap_or_else(|| folder.join("firewarden"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let figures = runtime.block_on(run::measure(arguments, &server, workspace))?;
    let table = report::table(&figures, &machine::describe(workspace));
    std::io::stdout().write_all(table.as_bytes())?;
    if let Some(page) = &arguments.write {
        report::write(page, &table)?;
    }
    Ok(())
}

fn in_release(arguments: &Arguments, workspace: &Path, debug: &Path) -> anyhow::Result<()> {
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--package", "xtask"]).current_dir(workspace);
    if arguments.server.is_none() {
        build.args(["--package", "firewarden"]);
    }
    anyhow::ensure!(build.status()?.success(), "the release build failed");
    let release = debug.with_file_name("release").join("xtask");
    let status = Command::new(release).args(std::env::args_os().skip(1)).status()?;
    anyhow::ensure!(status.success(), "the measurement failed");
    Ok(())
}
