//! The log: structured events on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::log_writer::{self, LogGuard};
use crate::settings::{LogFormat, Settings, SettingsError};

/// Begins to log, once for the process. Lines are written by a thread of their own, so that a slow
/// or blocked standard error never holds up a request; when too many wait, lines are lost. What is
/// returned writes the waiting ones when it is dropped.
pub(crate) fn start(settings: &Settings) -> Result<LogGuard, SettingsError> {
    let filter = EnvFilter::try_new(&settings.log)
        .map_err(|error| SettingsError::new("LOG", error.to_string()))?;
    let by_terminal =
        if std::io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json };
    let (writer, guard) = log_writer::start(std::io::stderr())
        .map_err(|error| SettingsError::new("LOG", error.to_string()))?;
    let colours = std::io::stderr().is_terminal();
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colours);
    let started = match settings.log_format.unwrap_or(by_terminal) {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // In tests several servers run in one process: the first one's log is theirs too.
    if let Err(error) = started {
        tracing::debug!(%error, "the log had begun before");
    }
    // INVARIANT: whatever the setting says, what the library for PostgreSQL debugs with stays out: every
    // value of a statement. It is one of those that write by this crate.
    log::set_max_level(log::LevelFilter::Info);
    Ok(guard)
}
