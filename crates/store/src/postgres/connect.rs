//! Opens connections to PostgreSQL, each set up for what it is used for.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::config::{ChannelBinding, SslMode};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, Client, Config, SimpleQueryMessage, SimpleQueryRow, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::warn;

use super::tls;
use super::url::{Host, PostgresUrl, Protection, Server};
use crate::StoreError;
use crate::limits::{
    LEASE_TIME, POLICY_QUERY_TIME, POSTGRES_IDLE_IN_TRANSACTION_TIME, POSTGRES_KEEPALIVE_IDLE,
    POSTGRES_KEEPALIVE_INTERVAL, POSTGRES_KEEPALIVES_MAX, POSTGRES_LOCK_TIME,
    POSTGRES_SCHEMA_LOCK_TIME, POSTGRES_SILENCE, QUERY_TIME,
};

/// The oldest PostgreSQL that is supported.
const VERSION_MIN: u32 = 15;
/// The newest PostgreSQL that this was tested with.
const VERSION_TESTED_MAX: u32 = 18;

/// Opens connections to the first server of a URL that serves. A handle: cheap to clone.
#[derive(Clone)]
pub(crate) struct Connector(Arc<Reached>);

struct Reached {
    url: PostgresUrl,
    servers: Vec<(Server, Config)>,
    tls: MakeRustlsConnect,
    told_of_version: AtomicBool,
    told_of_durability: AtomicBool,
}

/// What a connection is used for: it decides what the server lets it do, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Reads and searches.
    Read,
    /// The writer.
    Write,
    /// The rules of `sql` policies.
    Policies,
    /// The lease on the policies' version, and the wait for the leases of others.
    Lease,
    /// The schema: its steps may take long.
    Schema,
}

/// The half of a connection that moves the bytes: a future to be polled for as long as the
/// connection is used. It ends when the [`Client`] is dropped, or when the connection is lost.
pub(crate) type Connection =
    tokio_postgres::Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

impl Connector {
    /// Reads an operator's URL.
    #[cfg(test)]
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        let url = PostgresUrl::parse(url);
        Self::new(url.map_err(|error| StoreError::Unavailable(error.to_string()))?)
    }

    /// Prepares connections to the servers of a URL; none is made yet.
    pub(crate) fn new(url: PostgresUrl) -> Result<Self, StoreError> {
        let tls = MakeRustlsConnect::new(tls::config(&url)?);
        let beyond = url.servers.iter().any(|server| !server.host.is_this_machine());
        match url.protection {
            Protection::Disable if beyond => {
                warn!(%url, "sslmode=disable: everything goes to PostgreSQL in plain text");
            }
            Protection::Require if beyond => warn!(
                %url,
                "sslmode=require verifies nothing: whoever answers in the server's place is \
                 believed. Use verify-full"
            ),
            Protection::VerifyCa if beyond => warn!(
                %url,
                "sslmode=verify-ca does not verify the server's name: any server of that authority \
                 is believed. Use verify-full"
            ),
            Protection::Disable
            | Protection::Require
            | Protection::VerifyCa
            | Protection::VerifyFull => {}
        }
        let servers = url.servers.iter().map(|server| (server.clone(), config(&url, server)));
        let servers = servers.collect();
        let (told_of_version, told_of_durability) = Default::default();
        Ok(Self(Arc::new(Reached { url, servers, tls, told_of_version, told_of_durability })))
    }

    /// Connects to the first server that lets us in and may write, and sets the session up. The
    /// caller polls the second half of what is returned.
    pub(crate) async fn connect(
        &self,
        purpose: Purpose,
    ) -> Result<(Client, Connection), StoreError> {
        let mut reasons = Vec::new();
        for (server, config) in &self.0.servers {
            // The time for the socket alone would let a server that says nothing hold us for ever.
            let connected = timeout(self.0.url.connect_time, self.open(config, purpose)).await;
            match connected.unwrap_or_else(|_| Err("it does not answer in time".to_owned())) {
                Ok(connected) => return Ok(connected),
                Err(why) => reasons.push(format!("`{server}`: {why}")),
            }
        }
        Err(StoreError::Unavailable(reasons.join("; ")))
    }

    /// Asks the server to stop what that connection has it do. That it was asked says nothing about
    /// whether it still did it.
    pub(crate) async fn cancel(&self, token: &CancelToken) -> Result<(), StoreError> {
        let asked = timeout(self.0.url.connect_time, token.cancel_query(self.0.tls.clone())).await;
        let lost = |why: String| StoreError::Unavailable(format!("nothing was cancelled: {why}"));
        asked
            .map_err(|_| lost("the server does not answer in time".to_owned()))?
            .map_err(|error| lost(reason(&error)))
    }

    async fn open(
        &self,
        config: &Config,
        purpose: Purpose,
    ) -> Result<(Client, Connection), String> {
        let connected = config.connect(self.0.tls.clone()).await;
        let (client, mut connection) = connected.map_err(|error| reason(&error))?;
        self.check_version(connection.parameter("server_version"))?;
        let told = {
            let setup = setup(purpose);
            let told = client.simple_query(&setup);
            tokio::select! {
                told = told => told.map_err(|error| reason(&error))?,
                ended = &mut connection => {
                    let why = ended.err().map(|error| reason(&error));
                    return Err(why.unwrap_or_else(|| "the server ended the connection".to_owned()));
                }
            }
        };
        let row = told.iter().find_map(|message| {
            if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None }
        });
        self.check_server(row.ok_or("the server did not say how it is set up")?)?;
        Ok((client, connection))
    }

    fn check_version(&self, version: Option<&str>) -> Result<(), String> {
        let told = version.unwrap_or_default();
        let major = told.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        let major: u32 = major.parse().map_err(|_| "it does not tell its version")?;
        if major < VERSION_MIN {
            return Err(format!(
                "PostgreSQL {major} is not supported: {VERSION_MIN} to {VERSION_TESTED_MAX} are"
            ));
        }
        if major > VERSION_TESTED_MAX && !self.0.told_of_version.swap(true, Ordering::Relaxed) {
            warn!(version = told, "a PostgreSQL newer than those this was tested with");
        }
        Ok(())
    }

    /// Judges what the server tells of how it is set up.
    fn check_server(&self, row: &SimpleQueryRow) -> Result<(), String> {
        let told = |name: &str| row.try_get(name).ok().flatten().unwrap_or_default();
        if told("read_only") != "off" {
            return Err("it refuses writes: a standby, or one that is made read-only".to_owned());
        }
        if told("encoding") != "UTF8" {
            return Err(
                "its database is not encoded in UTF8: create it with ENCODING 'UTF8'".to_owned()
            );
        }
        let unsafe_settings = ["fsync", "full_page_writes"].into_iter().filter(|n| told(n) != "on");
        let unsafe_settings: Vec<_> = unsafe_settings.collect();
        if !unsafe_settings.is_empty() && !self.0.told_of_durability.swap(true, Ordering::Relaxed) {
            let off = unsafe_settings.join(", ");
            warn!(off, "PostgreSQL is set up to lose what it has acknowledged when it crashes");
        }
        Ok(())
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({})", self.0.url)
    }
}

fn config(url: &PostgresUrl, server: &Server) -> Config {
    let mut config = Config::new();
    match &server.host {
        Host::Network(name) => config.host(name),
        Host::Folder(folder) => config.host_path(folder),
    };
    // A socket of this machine has no TLS.
    let plain = url.protection == Protection::Disable || matches!(server.host, Host::Folder(_));
    config
        .port(server.port)
        .user(&url.user)
        .dbname(&url.database)
        .application_name(&url.application)
        .ssl_mode(if plain { SslMode::Disable } else { SslMode::Require })
        .channel_binding(match url.channel_binding_required {
            true => ChannelBinding::Require,
            false => ChannelBinding::Prefer,
        })
        .connect_timeout(url.connect_time)
        .tcp_user_timeout(POSTGRES_SILENCE)
        .keepalives_idle(POSTGRES_KEEPALIVE_IDLE)
        .keepalives_interval(POSTGRES_KEEPALIVE_INTERVAL)
        .keepalives_retries(POSTGRES_KEEPALIVES_MAX);
    if let Some(password) = &url.password {
        config.password(password.as_bytes());
    }
    config
}

/// What asks for the server's state, and then sets the session up, in one round trip.
///
/// Nothing we rely on is left to how the server, the database or the user is set up.
fn setup(purpose: Purpose) -> String {
    let settings = settings(purpose).into_iter();
    let set =
        settings.map(|(name, value)| format!("pg_catalog.set_config('{name}', {value}, false)"));
    let set: Vec<_> = set.collect();
    format!(
        "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'on' \
           ELSE pg_catalog.current_setting('transaction_read_only') END AS read_only, \
           pg_catalog.current_setting('server_encoding') AS encoding, \
           pg_catalog.current_setting('fsync') AS fsync, \
           pg_catalog.current_setting('full_page_writes') AS full_page_writes; \
         SELECT {}",
        set.join(", ")
    )
}

/// What is set, with its value in SQL.
fn settings(purpose: Purpose) -> Vec<(&'static str, String)> {
    let text = |value: &str| format!("'{value}'");
    let ms = |time: Duration| format!("'{}'", time.as_millis());
    let seconds = |time: Duration| format!("'{}'", time.as_secs());
    let (statement_time, lock_time) = match purpose {
        Purpose::Read | Purpose::Write => (QUERY_TIME, POSTGRES_LOCK_TIME),
        Purpose::Policies => (POLICY_QUERY_TIME, POLICY_QUERY_TIME),
        Purpose::Lease => (LEASE_TIME, LEASE_TIME),
        // Zero is no limit.
        Purpose::Schema => (Duration::ZERO, POSTGRES_SCHEMA_LOCK_TIME),
    };
    let (isolation, read_only) = match purpose {
        Purpose::Read | Purpose::Policies => ("repeatable read", "on"),
        Purpose::Write => ("serializable", "off"),
        Purpose::Lease | Purpose::Schema => ("read committed", "off"),
    };
    // An index is meant to be walked, even where the statistics of a new table say otherwise; the
    // rules of policies are anybody's queries.
    let sequential = if matches!(purpose, Purpose::Read | Purpose::Write) { "off" } else { "on" };
    let commit = match purpose {
        // `off` would lose what was acknowledged; stronger ones than `on` stay.
        Purpose::Write | Purpose::Schema => {
            "CASE pg_catalog.current_setting('synchronous_commit') WHEN 'off' THEN 'on' \
             ELSE pg_catalog.current_setting('synchronous_commit') END"
        }
        // A lease that a crash forgets is over before the barrier trusts the server again.
        Purpose::Lease => "'off'",
        Purpose::Read | Purpose::Policies => "pg_catalog.current_setting('synchronous_commit')",
    };
    vec![
        ("statement_timeout", ms(statement_time)),
        ("lock_timeout", ms(lock_time)),
        ("idle_in_transaction_session_timeout", ms(POSTGRES_IDLE_IN_TRANSACTION_TIME)),
        ("idle_session_timeout", text("0")),
        ("default_transaction_isolation", text(isolation)),
        ("default_transaction_read_only", text(read_only)),
        ("default_transaction_deferrable", text("off")),
        ("synchronous_commit", commit.to_owned()),
        // What is temporary comes last, or it could stand in for a table of ours.
        ("search_path", text("public, pg_temp")),
        ("enable_seqscan", text(sequential)),
        // Likewise: to sort is to read everything before the first row.
        ("enable_sort", text(sequential)),
        ("jit", text("off")),
        ("max_parallel_workers_per_gather", text("0")),
        ("timezone", text("UTC")),
        ("standard_conforming_strings", text("on")),
        // So that the server, too, notices that we are gone, and lets go of our locks.
        ("tcp_user_timeout", ms(POSTGRES_SILENCE)),
        ("tcp_keepalives_idle", seconds(POSTGRES_KEEPALIVE_IDLE)),
        ("tcp_keepalives_interval", seconds(POSTGRES_KEEPALIVE_INTERVAL)),
        ("tcp_keepalives_count", format!("'{POSTGRES_KEEPALIVES_MAX}'")),
    ]
}

/// What PostgreSQL said, or why it cannot be asked, for the log: its details would show values, and no
/// password is known here.
pub(crate) fn reason(error: &tokio_postgres::Error) -> String {
    if let Some(told) = error.as_db_error() {
        return format!("{} ({})", told.message(), told.code().code());
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
