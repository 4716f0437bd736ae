//! The executable, run as a process with a folder of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::http::Site;

/// The root client's secret.
pub(crate) const ROOT_SECRET: &str = "the secret of the root client";
/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A command of the executable, with nothing of this environment and no settings.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firewarden"));
    command.args(arguments).current_dir(folder).env_clear();
    command
}

/// What a command that ends by itself has said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command that ends by itself.
pub(crate) fn run(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
    let mut command = command(folder, arguments);
    let output = command.envs(environment.iter().copied()).output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A running `firewarden serve`; it is killed when this is dropped.
pub(crate) struct Server {
    pub(crate) site: Site,
    /// What it printed until it was ready.
    pub(crate) printed: Vec<String>,
    process: Child,
}

impl Server {
    /// Starts it on a free port, with the root client's secret set, and waits until it is ready.
    pub(crate) async fn start(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let secret = ("FIREWARDEN_ROOT_CLIENT_SECRET", ROOT_SECRET);
        let environment: Vec<_> = [secret].iter().chain(environment).copied().collect();
        Self::start_plain(folder, &environment).await
    }

    /// Starts it on a free port, and waits until it is ready. Its log goes to `log` in the folder.
    pub(crate) async fn start_plain(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log"));
        let mut process = command(folder, &["serve", "--listen", "127.0.0.1:0"])
            .env("FIREWARDEN_DATABASE_URL", "sqlite:firewarden.db")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.unwrap())
            .spawn()
            .unwrap();
        let out = process.stdout.take().unwrap();
        let mut server = Self { site: Site::new("", ""), printed: Vec::new(), process };
        let read = tokio::task::spawn_blocking(|| announcement(BufReader::new(out)));
        server.printed = tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
        let first = server.printed.first().unwrap_or_else(|| panic!("{}", log_text(folder)));
        let url = first.strip_prefix("Firewarden serves FHIR R4 at ").unwrap();
        let secret = server.generated_secret().unwrap_or_else(|| ROOT_SECRET.to_owned());
        server.site = Site::new(url.strip_suffix("/fhir").unwrap(), &secret);
        server
    }

    /// The root client's secret, if this start made it.
    pub(crate) fn generated_secret(&self) -> Option<String> {
        let mut lines = self.printed.iter();
        lines.find_map(|line| line.strip_prefix("Its secret, shown this once: ").map(str::to_owned))
    }

    /// Ends it at once, with nothing put in order.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap();
        assert!(sent.success(), "kill -{name}");
    }

    /// How it ended.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let ended = async {
            loop {
                if let Some(status) = self.process.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("it ends")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What is printed at the start, to the line that is the last one.
fn announcement(out: impl BufRead) -> Vec<String> {
    let mut printed = Vec::new();
    for line in out.lines().map_while(Result::ok) {
        let last = line.starts_with("Its secret") || line.ends_with("was set before)");
        printed.push(line);
        if last {
            break;
        }
    }
    printed
}

/// What the servers of a folder have logged.
pub(crate) fn log_text(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}
