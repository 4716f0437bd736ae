//! A private cluster of databases: one for all tests of a program, or one of a test's own to break.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::connection::ask;
use super::database::Database;
use super::supervisor::Supervisor;
use super::{binaries, must, port};

/// Somebody else may take a port between looking and starting.
const STARTS_MAX: usize = 5;
/// The name of a socket holds 107 bytes; the server adds about 20 to its folder's.
const SOCKET_FOLDER_BYTES_MAX: usize = 80;

/// How a cluster is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether what was committed outlives the machine. Without, the servers are quicker, and what
    /// was committed still outlives [`Cluster::stop_immediate`] only by chance.
    pub durable: bool,
    /// Lines of `postgresql.conf`: a name and a value, which wins over ours.
    pub settings: Vec<(String, String)>,
}

/// A running PostgreSQL server with databases of its own, on loopback and on a socket in its folder.
///
/// It ends when it and its standbys are dropped, and with this process, however that ends. The only
/// user is `postgres`, who needs no password.
pub struct Cluster {
    supervisor: Arc<Supervisor>,
    server: String,
    address: SocketAddr,
    is_durable: bool,
    databases: AtomicUsize,
    templates: Mutex<HashMap<String, String>>,
}

impl Cluster {
    /// The cluster that all tests of this program share; it was started when the first one asked.
    ///
    /// `None`, with a note in the tests' output, if PostgreSQL is not installed.
    ///
    /// # Panics
    /// When it does not start, or is required (`FIREWARDEN_REQUIRE_POSTGRES=1`) and not installed.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        // Nobody copies this server: it may write as little as it can.
        let settings = [("wal_level", "minimal"), ("max_wal_senders", "0")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let options = Options { durable: false, settings: settings.into() };
        SHARED.get_or_init(|| Self::start(&options)).as_ref()
    }

    /// A cluster for one test, to stop and to break. `None` and panics are as with [`Self::shared`].
    pub fn start(options: &Options) -> Option<Self> {
        let programs = must(binaries::folder());
        if programs.is_none() {
            let _ = writeln!(std::io::stderr(), "skipped: PostgreSQL is not installed");
        }
        programs.map(|programs| must(Self::create(&programs, options)))
    }

    fn create(programs: &Path, options: &Options) -> Result<Self, String> {
        let supervisor = Arc::new(Supervisor::start(programs)?);
        let server = supervisor.new_server();
        supervisor.order("create", &server, "")?;
        for line in configuration(supervisor.folder(), options) {
            supervisor.order("configure", &server, &line)?;
        }
        Self::start_first(supervisor, server, options.durable)
    }

    /// Finds the server a port, with which it then stays.
    fn start_first(
        supervisor: Arc<Supervisor>,
        server: String,
        is_durable: bool,
    ) -> Result<Self, String> {
        let mut attempt = 1;
        loop {
            let address = port::free()?;
            supervisor.order("configure", &server, &format!("port = {}", address.port()))?;
            match supervisor.order("start", &server, "") {
                Ok(()) => {
                    let (databases, templates) = (AtomicUsize::new(0), Mutex::default());
                    return Ok(Self {
                        supervisor,
                        server,
                        address,
                        is_durable,
                        databases,
                        templates,
                    });
                }
                Err(reason) if attempt == STARTS_MAX => return Err(reason),
                Err(_) => attempt += 1,
            }
        }
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the files and the sockets of this server and its standbys are.
    pub fn folder(&self) -> &Path {
        self.supervisor.folder()
    }

    /// A new database with nothing in it.
    pub fn database(&self) -> Database {
        self.copied("template0")
    }

    /// A new database with what is in the template of that name. The first who asks for it has it
    /// prepared, in an empty database, on a thread that is in no async runtime.
    ///
    /// # Panics
    /// When `prepare` does, too.
    pub fn database_from<F>(&self, template: &str, prepare: F) -> Database
    where
        F: FnOnce(&Database) + Send,
    {
        let mut templates = self.templates.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = templates.get(template).cloned();
        let prepared = prepared.unwrap_or_else(|| {
            let name = self.prepared(prepare);
            templates.insert(template.to_owned(), name.clone());
            name
        });
        drop(templates);
        self.copied(&prepared)
    }

    fn prepared(&self, prepare: impl FnOnce(&Database) + Send) -> String {
        let database = self.database();
        let preparing = std::thread::scope(|scope| scope.spawn(|| prepare(&database)).join());
        if let Err(panic) = preparing {
            std::panic::resume_unwind(panic);
        }
        let name = database.name();
        // Whoever is connected to a template keeps it from being copied.
        self.run(&[
            &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
            &format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            ),
        ]);
        name.to_owned()
    }

    fn copied(&self, template: &str) -> Database {
        let number = self.databases.fetch_add(1, Ordering::SeqCst);
        let name = format!("test_{number}");
        // Where nothing waits for the disk, files are copied in half the time.
        let strategy = if self.is_durable { "wal_log" } else { "file_copy" };
        self.run(&[&format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY {strategy}")]);
        Database::new(&name, self.address)
    }

    /// Stops the server in good order and starts it again: every connection is lost.
    pub fn restart(&self) {
        must(self.supervisor.order("stop", &self.server, "fast"));
        self.start_again();
    }

    /// Stops the server as a crash does: it writes nothing more and recovers when it starts.
    pub fn stop_immediate(&self) {
        must(self.supervisor.order("stop", &self.server, "immediate"));
    }

    /// Starts the stopped server, on the same port.
    pub fn start_again(&self) {
        must(self.supervisor.order("start", &self.server, ""));
    }

    /// A hot standby of this server, which follows it over loopback.
    ///
    /// # Panics
    /// On the shared cluster, which cannot be followed.
    pub fn standby(&self) -> Self {
        let supervisor = Arc::clone(&self.supervisor);
        let server = supervisor.new_server();
        must(supervisor.order("copy", &server, &self.address.port().to_string()));
        must(Self::start_first(supervisor, server, self.is_durable))
    }

    /// Makes this standby a server that takes writes, and follows no other.
    pub fn promote(&self) {
        must(self.supervisor.order("promote", &self.server, ""));
    }

    /// Waits until this standby shows all that was committed on its primary so far.
    pub fn catch_up_with(&self, primary: &Self) {
        let rows = primary.run(&["SELECT pg_current_wal_insert_lsn()"]);
        let end = rows.into_iter().flatten().flatten().next().unwrap_or_default();
        // The server waits: a client has no way to be told.
        let wait = format!(
            "DO $$ BEGIN WHILE pg_last_wal_replay_lsn() < '{end}' LOOP \
             PERFORM pg_sleep(0.005); END LOOP; END $$"
        );
        self.run(&[&wait]);
    }

    /// Ends every client's connection to the server; how many those were.
    pub fn terminate_connections(&self) -> usize {
        let terminated = self.run(&["SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"]);
        terminated.len()
    }

    fn run(&self, statements: &[&str]) -> Vec<Vec<Option<String>>> {
        must(ask(&Database::new("postgres", self.address).url(), statements))
    }
}

/// The lines of `postgresql.conf`; of two for one setting the later one counts.
fn configuration(folder: &Path, options: &Options) -> Vec<String> {
    let folder = folder.display().to_string();
    let sockets = if folder.len() > SOCKET_FOLDER_BYTES_MAX { String::new() } else { folder };
    let mut lines = vec![
        "listen_addresses = '127.0.0.1'".to_owned(),
        format!("unix_socket_directories = '{}'", sockets.replace('\'', "''")),
        "max_connections = 300".to_owned(),
        // A test fills no more, and several programs run at once.
        "shared_buffers = 32MB".to_owned(),
        // Only what a test does shall happen.
        "autovacuum = off".to_owned(),
        // For standbys: what they have not fetched stays, and they look again soon.
        "wal_keep_size = 256MB".to_owned(),
        "wal_retrieve_retry_interval = 100ms".to_owned(),
    ];
    if !options.durable {
        lines.extend(
            ["fsync", "synchronous_commit", "full_page_writes"].map(|name| format!("{name} = off")),
        );
    }
    lines.extend(
        options
            .settings
            .iter()
            .map(|(name, value)| format!("{name} = '{}'", value.replace('\'', "''"))),
    );
    lines
}
