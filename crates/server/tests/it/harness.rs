//! A whole server in the test's own process, on a free port and a database of its own.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use firewarden_server::settings::{Settings, Sources};
use firewarden_server::{ServeError, serve};
use firewarden_testkit::{database_settings, hmac_token};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::http::Site;

/// The root client's secret.
pub(crate) const ROOT_SECRET: &str = "the secret of the root client";
/// The issuer that [`TestServer::trust`] trusts.
pub(crate) const ISSUER: &str = "https://auth.example.com";
/// The secret of its tokens.
pub(crate) const SECRET: &str = "a shared secret of more than 32 bytes";
/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; it stops when it is closed or dropped.
pub(crate) struct TestServer {
    pub(crate) site: Site,
    pub(crate) address: SocketAddr,
    /// The root client's secret, if this start made it.
    pub(crate) generated_secret: Option<String>,
    pub(crate) folder: Arc<TempDir>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), ServeError>>,
}

impl std::ops::Deref for TestServer {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl TestServer {
    /// A server with the default settings and an empty database.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        Self::within(Arc::new(TempDir::new().unwrap()), settings).await.unwrap()
    }

    /// A server on the database of a folder; an error if it does not start.
    pub(crate) async fn within(
        folder: Arc<TempDir>,
        settings: &[(&str, &str)],
    ) -> Result<Self, String> {
        let settings = read(folder.path(), settings)?;
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let running = tokio::spawn(serve(settings, stopped, |started| {
            let secret = started.generated_secret.as_ref().map(|secret| secret.to_string());
            let _ = tell.send((started.address, secret));
        }));
        match told.await {
            Ok((address, generated_secret)) => {
                let secret = generated_secret.as_deref().unwrap_or(ROOT_SECRET);
                let site = Site::new(&format!("{scheme}://{address}"), secret);
                Ok(Self { site, address, generated_secret, folder, stop, running })
            }
            Err(_) => Err(running.await.unwrap().err().unwrap().to_string()),
        }
    }

    /// Stops the server and waits for its end; its folder stays.
    pub(crate) async fn close(self) -> Arc<TempDir> {
        let Stopping { folder, running } = self.stop();
        tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
        folder
    }

    /// Tells the server to stop.
    pub(crate) fn stop(self) -> Stopping {
        let Self { folder, running, stop, .. } = self;
        let _ = stop.send(());
        Stopping { folder, running }
    }

    /// Trusts the tokens of [`token`].
    pub(crate) async fn trust(&self) {
        self.put(json!({
            "resourceType": "TokenIntrospector",
            "id": "external",
            "type": "jwt",
            "jwt": {"iss": ISSUER, "secret": SECRET},
        }))
        .await;
    }

    /// Sends these very bytes and reads until the server closes the connection.
    pub(crate) async fn raw(&self, request: impl Into<Vec<u8>>) -> String {
        let (address, request) = (self.address, request.into());
        tokio::task::spawn_blocking(move || raw(address, &request)).await.unwrap()
    }
}

/// A server that has been told to stop.
pub(crate) struct Stopping {
    pub(crate) folder: Arc<TempDir>,
    pub(crate) running: JoinHandle<Result<(), ServeError>>,
}

fn read(folder: &Path, settings: &[(&str, &str)]) -> Result<Settings, String> {
    let mut flags: HashMap<String, String> =
        [("LISTEN", "127.0.0.1:0"), ("ROOT_CLIENT_SECRET", ROOT_SECRET), ("LOG", "off")]
            .into_iter()
            .chain(settings.iter().copied())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
    for (name, value) in database_settings(folder) {
        flags.entry(name).or_insert(value);
    }
    let sources = Sources {
        flags,
        environment: &|_| None,
        file: Default::default(),
        read_file: &|path| std::fs::read_to_string(path),
    };
    Settings::read(&sources).map_err(|error| error.to_string())
}

fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The server may refuse, and close, before it has read everything.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The claims of a token that is valid for an hour.
pub(crate) fn claims(issuer: &str, subject: &str) -> Value {
    json!({"iss": issuer, "sub": subject, "exp": now_s() + 3_600})
}

/// A valid token of the trusted issuer.
pub(crate) fn token(subject: &str) -> String {
    hmac_token("HS256", SECRET.as_bytes(), &json!({}), &claims(ISSUER, subject))
}

/// A policy that allows a User everything but what must be named.
pub(crate) fn allow_user(id: &str) -> Value {
    json!({
        "resourceType": "AccessPolicy",
        "id": format!("allow-{id}"),
        "engine": "allow",
        "link": [{"reference": format!("User/{id}")}],
    })
}

/// The time in seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the server under test has a real clock")]
pub(crate) fn now_s() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}
