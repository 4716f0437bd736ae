//! On what, of what and when it was measured.

use std::fs;
use std::path::Path;
use std::process::Command;

/// One line: processor, memory, system, commit and date.
pub(super) fn describe(workspace: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let processor =
        value_in("/proc/cpuinfo", "model name").unwrap_or("an unknown processor".into());
    let memory = value_in("/proc/meminfo", "MemTotal").and_then(|text| gib(&text));
    let memory = memory.map_or(String::new(), |gib| format!(", {gib} GiB"));
    format!(
        "{processor}, {cores} cores{memory}, {}; commit {}, {}.",
        std::env::consts::OS,
        commit(workspace).unwrap_or("unknown".into()),
        today()
    )
}

fn value_in(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}

fn gib(kib: &str) -> Option<u64> {
    let kib: u64 = kib.split_whitespace().next()?.parse().ok()?;
    Some((kib + (1 << 19)) >> 20)
}

fn commit(workspace: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(workspace).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { commit } else { format!("{commit} with changes") })
}

#[expect(clippy::disallowed_methods, reason = "the table says when it was measured")]
fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}
