//! The process that starts a test's servers, and ends them when the test's process is gone.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::binaries::environment;

const SCRIPT: &str = include_str!("supervisor.sh");
/// PostgreSQL does not run as root: then it runs as the first of these that there is.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// A shell that obeys over a pipe. The pipe closes with this process, however that ends.
pub(super) struct Supervisor {
    process: Child,
    pipes: Mutex<Pipes>,
    folder: PathBuf,
    servers: AtomicUsize,
}

struct Pipes {
    /// `None` when all is to end.
    orders: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Supervisor {
    /// Starts it with the programs of that folder.
    pub(super) fn start(programs: &Path) -> Result<Self, String> {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "supervisor"]).arg(programs).arg(std::env::temp_dir());
        command.env_clear().envs(environment("PATH").map(|path| ("PATH", path)));
        command.env("LC_ALL", "C");
        if user_number("-u", None)? == 0 {
            let user = USERS.iter().find(|user| user_number("-u", Some(user)).is_ok());
            let user = user.ok_or("no user to run PostgreSQL as")?;
            command.uid(user_number("-u", Some(user))?).gid(user_number("-g", Some(user))?);
        }
        // In a group of its own: what a terminal sends to the test is not for it. It keeps standard
        // error, on which it says nothing, so that who reads the test's waits for its end.
        let mut process = command
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("the supervisor does not start: {e}"))?;
        let orders = process.stdin.take();
        let replies = process.stdout.take().ok_or("the supervisor has no output")?;
        let mut pipes = Pipes { orders, replies: BufReader::new(replies) };
        let said = pipes.reply()?;
        let folder = PathBuf::from(said.lines().last().unwrap_or_default());
        Ok(Self { process, pipes: Mutex::new(pipes), folder, servers: AtomicUsize::new(0) })
    }

    /// Where the servers' files and sockets are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A name for one more server.
    pub(super) fn new_server(&self) -> String {
        format!("server{}", self.servers.fetch_add(1, Ordering::SeqCst))
    }

    /// Gives an order and waits until it was obeyed. The error is what the programs said.
    pub(super) fn order(&self, verb: &str, server: &str, argument: &str) -> Result<(), String> {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = pipes.orders.as_mut().ok_or("the supervisor has ended")?;
        // One write: a line is obeyed as a whole.
        orders
            .write_all(format!("{verb} {server} {argument}\n").as_bytes())
            .map_err(|e| format!("the supervisor is gone: {e}"))?;
        pipes.reply().map(drop).map_err(|said| format!("`{verb}` of {server} failed: {said}"))
    }
}

impl Pipes {
    fn reply(&mut self) -> Result<String, String> {
        let mut said = String::new();
        loop {
            let mut line = String::new();
            match self.replies.read_line(&mut line) {
                Ok(0) => return Err(format!("the supervisor ended: {said}")),
                Ok(_) => match line.trim_end().strip_prefix("end ") {
                    Some("0") => return Ok(said),
                    Some(_) => return Err(said),
                    None => said.push_str(&line),
                },
                Err(e) => return Err(e.to_string()),
            }
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let pipes = self.pipes.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(pipes.orders.take());
        // It may have ended by itself; there is nothing more to wait for then.
        let _ = self.process.wait();
    }
}

/// The number of a user, or of this process's own, or of its group.
fn user_number(which: &str, user: Option<&str>) -> Result<u32, String> {
    let output = Command::new("id").arg(which).args(user).output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse().map_err(|_| format!("`id` does not know the user: {user:?}"))
}
