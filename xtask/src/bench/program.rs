//! The measured programs as processes of their own: started, waited for, weighed and stopped.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

use super::connection::{Connection, request};

const START_SECONDS_MAX: u64 = 60;
const STOP_SECONDS_MAX: u64 = 30;
const POLL: Duration = Duration::from_millis(1);
/// Clock ticks a second in /proc, fixed by Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running program; killed when dropped.
pub(super) struct Program {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Program {
    /// Starts the bare handler on a free port.
    pub(super) fn start_bare() -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("bare-handler")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut address = String::new();
        let stdout = child.stdout.take().context("the bare handler has no output")?;
        BufReader::new(stdout).read_line(&mut address)?;
        Ok(Self { child, address: address.trim().parse()? })
    }

    /// Starts the server with its database in the folder; also how long until it was ready.
    pub(super) async fn start_server(
        executable: &Path,
        folder: &Path,
        secret: &str,
    ) -> anyhow::Result<(Self, Duration)> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = fs::File::options().create(true).append(true).open(folder.join("server.log"))?;
        let start = Instant::now();
        let child = Command::new(executable)
            .arg("serve")
            .env("FIREWARDEN_LISTEN", address.to_string())
            .env("FIREWARDEN_DATABASE_URL", format!("sqlite:{}", folder.join("bench.db").display()))
            .env("FIREWARDEN_ROOT_CLIENT_SECRET", secret)
            .current_dir(folder)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} does not start", executable.display()))?;
        let mut program = Self { child, address };
        program.wait_until_ready(start).await.with_context(|| last_lines(folder))?;
        Ok((program, start.elapsed()))
    }

    async fn wait_until_ready(&mut self, start: Instant) -> anyhow::Result<()> {
        let ready = request("GET", "/health/ready", "", "");
        while start.elapsed().as_secs() < START_SECONDS_MAX {
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("the server ended at its start with {status}");
            }
            if let Ok(mut connection) = Connection::open(self.address).await
                && connection.exchange(&ready).await.is_ok_and(|status| status == 200)
            {
                return Ok(());
            }
            sleep(POLL).await;
        }
        anyhow::bail!("the server was not ready in {START_SECONDS_MAX} s")
    }

    /// Asks the program to end, and waits until it has.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        let start = Instant::now();
        while start.elapsed().as_secs() < STOP_SECONDS_MAX {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            sleep(POLL).await;
        }
        anyhow::bail!("the server did not stop in {STOP_SECONDS_MAX} s")
    }

    /// Memory in use now, in MB.
    pub(super) fn resident_mb(&self) -> anyhow::Result<f64> {
        self.memory_mb("VmRSS:")
    }

    /// The most memory that was ever in use, in MB.
    pub(super) fn peak_mb(&self) -> anyhow::Result<f64> {
        self.memory_mb("VmHWM:")
    }

    fn memory_mb(&self, name: &str) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(kib.with_context(|| format!("no `{name}`"))?.trim().parse::<f64>()? * 1024.0 / 1e6)
    }

    /// Processor time used so far, in seconds.
    pub(super) fn processor_seconds(&self) -> anyhow::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The second field, the program's name in parentheses, may hold spaces.
        let (_, fields) = stat.rsplit_once(')').context("no fields")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / TICKS_PER_SECOND)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing more to do then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn last_lines(folder: &Path) -> String {
    let log = fs::read_to_string(folder.join("server.log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().rev().take(10).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
