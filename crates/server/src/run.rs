//! From settings to a serving process, and to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use firewarden_identity::{Identity, NotAnAllowance, OutboundAllow};
use firewarden_interactions::ServerKey;
use firewarden_store::{Database, Store, StoreError, StoreSettings};
use tokio::net::TcpSocket;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::app::App;
use crate::attempts::Attempts;
use crate::body_memory::BodyMemory;
use crate::bootstrap::{self, BootstrapError};
use crate::configuration::Configuration;
use crate::directory::StoredDirectory;
use crate::jobs::JobRunner;
use crate::meters::Meters;
use crate::own_types::SecretHasher;
use crate::secrets_key::{self, SecretsKeyError};
use crate::settings::{Settings, SettingsError};
use crate::shadow::ShadowWatch;
use crate::tls::{self, TlsError};
use crate::traces::Traces;
use crate::{jobs, limits, listen, logging, sessions};

/// Why the server did not start. Each is one line that says what to mend.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A setting cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// An entry of `FIREWARDEN_OUTBOUND_ALLOW` cannot be read.
    #[error("FIREWARDEN_OUTBOUND_ALLOW: {0}")]
    Outbound(#[from] NotAnAllowance),
    /// There is no key to seal secrets with.
    #[error(transparent)]
    SecretsKey(#[from] SecretsKeyError),
    /// The database cannot be opened or read.
    #[error("the database `{place}`: {error}")]
    Database {
        /// Where it is, without a password.
        place: String,
        /// Why.
        error: StoreError,
    },
    /// What must be there before the port opens is not.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The port cannot be opened.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
}

/// A server that has started: what its operator is told.
pub struct Started {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its public URL.
    pub public_url: String,
    /// The id of the root client.
    pub root_client_id: String,
    /// The root client's secret, if it was made just now; it is not shown again.
    pub generated_secret: Option<Zeroizing<String>>,
}

/// Runs the server until `stop`, then finishes the requests in flight and closes the database.
/// `started` is called when the port is open.
pub async fn serve(
    settings: Settings,
    stop: impl Future<Output = ()>,
    started: impl FnOnce(&Started),
) -> Result<(), ServeError> {
    let _log = logging::start(&settings)?;
    let address = settings.listen;
    let cannot_listen = |error| ServeError::Listen { address, error };
    // The port is taken at once and opens last: until then connections are refused.
    let socket = bound_socket(address).map_err(cannot_listen)?;
    let address = socket.local_addr().map_err(cannot_listen)?;
    let tls = settings.tls.clone().map(tls::acceptor).transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let public_url = settings.public_url.clone();
    let public_url = public_url.unwrap_or_else(|| format!("{scheme}://{address}"));
    if tls.is_none() && !address.ip().is_loopback() {
        warn!(%address, "listening without TLS beyond this machine: put a proxy with TLS before it");
    }
    if settings.dev_mode {
        warn!("dev mode: administrators may act as any user and are told of decisions");
    }
    let app = Arc::new(open(settings, public_url, Store::open).await?);
    let jobs = JobRunner::start(Arc::clone(&app));
    let served = serve_opened(&app, socket, tls, stop, started).await;
    jobs.stop().await;
    // Also when it did not start: what holds the database lets go of it before the end is told.
    if let Err(error) = app.store.close().await {
        warn!(%error, "the database was not closed in order; nothing acknowledged is lost");
    }
    info!("stopped");
    served
}

async fn serve_opened(
    app: &Arc<App>,
    socket: TcpSocket,
    tls: Option<TlsAcceptor>,
    stop: impl Future<Output = ()>,
    started: impl FnOnce(&Started),
) -> Result<(), ServeError> {
    let unreadable =
        |error| ServeError::Database { place: app.settings.database.to_string(), error };
    jobs::index_own_types(app).await.map_err(unreadable)?;
    if let Some(at) = app.store.restored().await.map_err(unreadable)? {
        warn!(
            restored = %at,
            "the database was restored from a backup: rights that were taken away since may be back. \
             Look at them, then run `firewarden restore --reviewed`"
        );
    }
    let generated_secret = bootstrap::root_client(app).await?;
    if let Some(path) = &app.settings.init_bundle {
        bootstrap::init_bundle(app, path).await?;
    }
    let address = app.settings.listen;
    let cannot_listen = |error| ServeError::Listen { address, error };
    let address = socket.local_addr().map_err(cannot_listen)?;
    let listener = socket.listen(limits::BACKLOG).map_err(cannot_listen)?;
    info!(%address, public_url = app.public_url, "serving");
    started(&Started {
        address,
        public_url: app.public_url.clone(),
        root_client_id: app.settings.root_client_id.to_string(),
        generated_secret,
    });
    let sweeping = tokio::spawn(sessions::sweep(Arc::clone(app)));
    listen::listen(Arc::clone(app), listener, tls, stop).await;
    sweeping.abort();
    Ok(())
}

fn bound_socket(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Opens the database of the settings for a command that serves nothing.
pub(crate) async fn open_for_transfer(
    settings: Settings,
    open_store: fn(StoreSettings) -> Result<Store, StoreError>,
) -> Result<App, ServeError> {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let public_url = settings.public_url.clone();
    let public_url = public_url.unwrap_or_else(|| format!("{scheme}://{}", settings.listen));
    open(settings, public_url, open_store).await
}

async fn open(
    settings: Settings,
    public_url: String,
    open_store: fn(StoreSettings) -> Result<Store, StoreError>,
) -> Result<App, ServeError> {
    let place = settings.database.to_string();
    let database = |error| ServeError::Database { place: place.clone(), error };
    let outbound = OutboundAllow::parse(&settings.outbound_allow.join(","))?;
    let secrets_key = match (&settings.secrets_key, &settings.database) {
        (Some(key), _) => key.clone(),
        (None, Database::Sqlite { path }) => secrets_key::beside(path)?,
        (None, Database::Postgres { .. }) => {
            return Err(SettingsError::new("SECRETS_KEY", "needed with PostgreSQL").into());
        }
    };
    let server_key = ServerKey::new(secrets_key.as_slice());
    let base_url = format!("{public_url}/fhir");
    let store = open_store(StoreSettings {
        database: settings.database.clone(),
        base_url: base_url.clone(),
        secrets_key,
        readers: std::thread::available_parallelism().map_or(2, |n| n.get()).max(2) * 2,
    })
    .map_err(database)?;
    let mut random_key = [0; 32];
    let no_randomness = |_| SettingsError::new("SECRETS_KEY", "there is no randomness");
    aws_lc_rs::rand::fill(&mut random_key).map_err(no_randomness)?;
    let runtime = tokio::runtime::Handle::current();
    let root_client = settings.root_client_id.clone();
    let identity = Identity::new(outbound.clone(), root_client, &random_key, runtime);
    let identity = Arc::new(identity);
    let configuration = Configuration::load(store.clone(), Arc::clone(&identity), outbound.clone());
    Ok(App {
        configuration: configuration.await.map_err(database)?,
        directory: StoredDirectory::new(store.clone()),
        hasher: SecretHasher::new(),
        attempts: Attempts::new(),
        meters: Meters::default(),
        traces: Traces::new(),
        shadow: Arc::new(ShadowWatch::new()),
        body_memory: BodyMemory::new(),
        stopping: AtomicBool::new(false),
        settings,
        public_url,
        base_url,
        store,
        identity,
        outbound,
        server_key,
    })
}
