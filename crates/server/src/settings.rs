//! The settings: flag, then environment, then `firewarden.toml`, then default.

mod read;
mod source;

use std::net::SocketAddr;
use std::path::PathBuf;

use firewarden_store::Database;
use http::HeaderValue;
use ipnet::IpNet;
use zeroize::Zeroizing;

pub(crate) use read::decode_key;
pub use source::{ReadFile, SettingsError, Sources};

/// One setting, as it is documented and looked up.
pub struct Setting {
    /// Its name without the prefix: `LISTEN` is `FIREWARDEN_LISTEN` in the environment,
    /// `--listen` as a flag and `listen` in the file.
    pub name: &'static str,
    /// What it means, in a line of help.
    pub help: &'static str,
    /// Whether its value must not be seen on a command line.
    pub secret: bool,
}

const fn setting(name: &'static str, help: &'static str) -> Setting {
    Setting { name, help, secret: false }
}

const fn secret(name: &'static str, help: &'static str) -> Setting {
    Setting { name, help, secret: true }
}

/// Every setting. `docs/settings.md` tells of each; `xtask tidy` holds them together.
pub const SETTINGS: &[Setting] = &[
    setting("LISTEN", "Address to listen on [default: 127.0.0.1:8080]"),
    setting("DATABASE_URL", "sqlite:PATH or postgres://… [default: firewarden-data/firewarden.db]"),
    setting("PUBLIC_URL", "Base of absolute URLs [default: http:// and the address]"),
    setting("ROOT_CLIENT_ID", "Id of the first administrator [default: root]"),
    secret("ROOT_CLIENT_SECRET", "Its secret [default: generated at first start, printed once]"),
    setting("INIT_BUNDLE", "Bundle (JSON or YAML) applied before the port opens"),
    setting("OUTBOUND_ALLOW", "Hosts or CIDRs to which plain or private addresses are allowed"),
    secret("SECRETS_KEY", "64 hex digits that seal secrets at rest [default: a file with SQLite]"),
    setting("TLS_CERT", "PEM file with the certificate chain"),
    setting("TLS_KEY", "PEM file with the private key"),
    setting("TRUSTED_PROXIES", "CIDRs whose Forwarded and X-Forwarded-* count"),
    setting("CORS_ORIGINS", "Browser origins, exact"),
    setting("BODY_LIMIT", "Bytes of a body, decompressed [default: 2 MiB]"),
    setting("BUNDLE_LIMIT", "Bytes of a Bundle, decompressed [default: 64 MiB]"),
    setting("DEV_MODE", "Explanations in answers [default: false]"),
    setting("LOG", "Log filter, such as info or debug [default: info]"),
    setting("LOG_FORMAT", "text or json [default: text on a terminal, else json]"),
];

/// The settings of one run.
pub struct Settings {
    /// The address.
    pub listen: SocketAddr,
    /// The database.
    pub database: Database,
    /// This server's public URL without a trailing slash; by the address when not set.
    pub public_url: Option<String>,
    /// The id of the root client.
    pub root_client_id: firewarden_fhir::Id,
    /// The secret of the root client, where one is set.
    pub root_client_secret: Option<Zeroizing<String>>,
    /// A Bundle to apply before the port opens.
    pub init_bundle: Option<PathBuf>,
    /// Where plain HTTP and private addresses are allowed: hosts, `host:port`, CIDRs.
    pub outbound_allow: Vec<String>,
    /// The key that seals secrets at rest, where one is set: with PostgreSQL it is.
    pub secrets_key: Option<Zeroizing<[u8; 32]>>,
    /// Certificate and key files.
    pub tls: Option<TlsFiles>,
    /// Networks whose forwarding headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// Browser origins.
    pub cors_origins: Vec<HeaderValue>,
    /// Bytes of a body.
    pub body_bytes_max: usize,
    /// Bytes of a Bundle.
    pub bundle_bytes_max: usize,
    /// Whether answers may explain decisions to administrators.
    pub dev_mode: bool,
    /// The log filter.
    pub log: String,
    /// The form of the log; by what standard error is, when not set.
    pub log_format: Option<LogFormat>,
}

/// The files of a TLS certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, PEM.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}
