//! The URL of a PostgreSQL: which servers, which user, how the connection is protected.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::limits::{POSTGRES_CONNECT_TIME, POSTGRES_CONNECT_TIME_MAX, POSTGRES_HOSTS_MAX};

/// The URL of a PostgreSQL: `postgres://user:password@host:port/database?sslmode=…`.
///
/// Neither its `Debug` nor its `Display` shows the password.
#[derive(Clone)]
pub struct PostgresUrl {
    /// The servers, in the order they are tried.
    pub(super) servers: Vec<Server>,
    pub(super) user: String,
    pub(super) password: Option<Zeroizing<String>>,
    pub(super) database: String,
    pub(super) protection: Protection,
    /// Certificates of authorities, PEM; the platform's when there is none.
    pub(super) roots: Option<PathBuf>,
    pub(super) application: String,
    pub(super) connect_time: Duration,
    pub(super) channel_binding_required: bool,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) host: Host,
    pub(super) port: u16,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// A name or an address.
    Network(String),
    /// The folder of a socket.
    Folder(PathBuf),
}

/// How a connection over the network is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    /// Not at all.
    Disable,
    /// Against listening: whoever answers is believed to be the server.
    Require,
    /// The server's certificate is of a trusted authority, for whatever name.
    VerifyCa,
    /// The server's certificate is of a trusted authority and for the server's name.
    VerifyFull,
}

/// Why a URL cannot be used. It shows nothing of the URL but the name of an option.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PostgresUrlError(String);

fn wrong(what: impl Into<String>) -> PostgresUrlError {
    PostgresUrlError(what.into())
}

impl PostgresUrl {
    /// Reads a URL. An option that is not known is refused: it may be one that protects.
    pub fn parse(url: &str) -> Result<Self, PostgresUrlError> {
        const FORM: &str = "not of the form postgres://user:password@host:port/database";
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        let rest = rest.ok_or_else(|| wrong(FORM))?;
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if rest.contains('@') {
            return Err(wrong(
                "`/`, `?` and `@` in the user or the password are written %2F, %3F and %40",
            ));
        }
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut read = Options::default();
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        if !user.is_empty() {
            read.user = Some(decoded(user)?);
        }
        read.password = password.map(decoded).transpose()?.map(Zeroizing::new);
        for host in hosts.split(',').filter(|_| !hosts.is_empty()) {
            read.server(host)?;
        }
        let database = path.strip_prefix('/').unwrap_or(path);
        if !database.is_empty() {
            read.database = Some(decoded(database)?);
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) =
                pair.split_once('=').ok_or_else(|| wrong("an option without `=`"))?;
            read.option(&decoded(name)?, &decoded(value)?)?;
        }
        read.finish()
    }

    /// Whether it holds a password.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }
}

/// What a URL says, as far as it was read.
#[derive(Default)]
struct Options {
    servers: Vec<(Host, Option<u16>)>,
    port: Option<u16>,
    user: Option<String>,
    password: Option<Zeroizing<String>>,
    database: Option<String>,
    protection: Option<Protection>,
    roots: Option<PathBuf>,
    application: Option<String>,
    connect_time: Option<Duration>,
    channel_binding_required: bool,
}

impl Options {
    /// `host`, `host:port`, `[address]:port`, or an encoded path.
    fn server(&mut self, text: &str) -> Result<(), PostgresUrlError> {
        let unreadable = || wrong("a host is not of the form name:port");
        let (host, port) = match text.strip_prefix('[') {
            Some(bracketed) => {
                let (address, rest) = bracketed.split_once(']').ok_or_else(unreadable)?;
                let port = rest.strip_prefix(':');
                if port.is_none() && !rest.is_empty() {
                    return Err(unreadable());
                }
                (address, port)
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = port.filter(|port| !port.is_empty()).map(number::<u16>).transpose();
        let port = port.map_err(|()| wrong("a port is not a number"))?;
        self.host(decoded(host)?, port)
    }

    fn host(&mut self, host: String, port: Option<u16>) -> Result<(), PostgresUrlError> {
        if host.is_empty() {
            return Err(wrong("a host is empty"));
        }
        let host = match host.starts_with('/') {
            true => Host::Folder(PathBuf::from(host)),
            false => Host::Network(host),
        };
        self.servers.push((host, port));
        if self.servers.len() > POSTGRES_HOSTS_MAX {
            return Err(wrong(format!("more than {POSTGRES_HOSTS_MAX} hosts")));
        }
        Ok(())
    }

    fn option(&mut self, name: &str, value: &str) -> Result<(), PostgresUrlError> {
        let cannot = |may: &str| wrong(format!("`{name}` is not {may}"));
        match name {
            "host" => {
                for host in value.split(',') {
                    self.host(host.to_owned(), None)?;
                }
            }
            "port" => self.port = Some(number(value).map_err(|()| cannot("a port"))?),
            "user" => self.user = Some(value.to_owned()),
            "password" => self.password = Some(Zeroizing::new(value.to_owned())),
            "dbname" => self.database = Some(value.to_owned()),
            "application_name" => self.application = Some(value.to_owned()),
            "sslmode" => self.protection = Some(protection(value)?),
            "sslrootcert" if value == "system" => self.roots = None,
            "sslrootcert" => self.roots = Some(PathBuf::from(value)),
            "target_session_attrs" => {
                // Another server would have the policies of a while ago.
                if !matches!(value, "read-write" | "primary") {
                    return Err(cannot("read-write or primary: the server writes"));
                }
            }
            "connect_timeout" => {
                let seconds = number(value).ok().map(Duration::from_secs);
                let inside =
                    seconds.filter(|time| !time.is_zero() && *time <= POSTGRES_CONNECT_TIME_MAX);
                let may = format!("1 to {} seconds", POSTGRES_CONNECT_TIME_MAX.as_secs());
                self.connect_time = Some(inside.ok_or_else(|| cannot(&may))?);
            }
            "channel_binding" => {
                self.channel_binding_required = match value {
                    "prefer" => false,
                    "require" => true,
                    _ => return Err(cannot("prefer or require")),
                };
            }
            _ => return Err(wrong(format!("the option `{name}` is not known"))),
        }
        Ok(())
    }

    fn finish(self) -> Result<PostgresUrl, PostgresUrlError> {
        let port = self.port.unwrap_or(5432);
        let server = |(host, own)| Server { host, port: Option::unwrap_or(own, port) };
        let servers: Vec<Server> = self.servers.into_iter().map(server).collect();
        if servers.is_empty() {
            return Err(wrong("there is no host"));
        }
        let beyond = servers.iter().any(|server| !server.host.is_this_machine());
        let default = if beyond { Protection::VerifyFull } else { Protection::Disable };
        let protection = self.protection.unwrap_or(default);
        let user = self.user.ok_or_else(|| wrong("there is no user"))?;
        // As in libpq: who names an authority is not content with just any certificate.
        let protection = match (protection, &self.roots) {
            (Protection::Require, Some(_)) => Protection::VerifyCa,
            (Protection::Disable, Some(_)) => {
                return Err(wrong("`sslrootcert` has no effect without TLS: set `sslmode`"));
            }
            (protection, _) => protection,
        };
        if self.channel_binding_required && protection == Protection::Disable {
            return Err(wrong("`channel_binding=require` needs TLS: set `sslmode`"));
        }
        Ok(PostgresUrl {
            servers,
            database: self.database.unwrap_or_else(|| user.clone()),
            user,
            password: self.password,
            protection,
            roots: self.roots,
            application: self.application.unwrap_or_else(|| "firewarden".to_owned()),
            connect_time: self.connect_time.unwrap_or(POSTGRES_CONNECT_TIME),
            channel_binding_required: self.channel_binding_required,
        })
    }
}

impl Host {
    /// Whether what is sent there stays on this machine.
    pub(super) fn is_this_machine(&self) -> bool {
        match self {
            Self::Folder(_) => true,
            Self::Network(name) => {
                name == "localhost" || IpAddr::from_str(name).is_ok_and(|ip| ip.is_loopback())
            }
        }
    }
}

fn protection(value: &str) -> Result<Protection, PostgresUrlError> {
    match value {
        "disable" => Ok(Protection::Disable),
        "require" => Ok(Protection::Require),
        "verify-ca" => Ok(Protection::VerifyCa),
        "verify-full" => Ok(Protection::VerifyFull),
        "allow" | "prefer" => Err(wrong(format!(
            "`sslmode={value}` goes on without TLS when somebody in between asks for it: \
             use verify-full, verify-ca, require or disable"
        ))),
        _ => Err(wrong("`sslmode` is not verify-full, verify-ca, require or disable")),
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, ()> {
    // `+1` is a number to Rust.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten().ok_or(())
}

fn decoded(text: &str) -> Result<String, PostgresUrlError> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| wrong("not UTF-8"))?;
    if decoded.contains('\0') {
        return Err(wrong("a zero byte"));
    }
    Ok(decoded.into_owned())
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Network(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            Host::Network(name) => write!(f, "{name}:{}", self.port),
            Host::Folder(folder) => write!(f, "{}:{}", folder.display(), self.port),
        }
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://")?;
        for (index, server) in self.servers.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{server}")?;
        }
        write!(f, "/{}", self.database)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> PostgresUrl {
        PostgresUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn a_url_says_who_connects_where() {
        let url = parse("postgres://warden:s%2Fe%40same@db.example.com:6432/fhir");
        assert_eq!(url.user, "warden");
        assert_eq!(url.password.as_ref().map(|p| p.as_str()), Some("s/e@same"));
        assert_eq!(url.database, "fhir");
        assert_eq!(url.to_string(), "postgres://db.example.com:6432/fhir");
        let url = parse("postgresql://warden@a:1,[::1],b:3/fhir?port=7&application_name=north");
        assert_eq!(url.to_string(), "postgres://a:1,[::1]:7,b:3/fhir");
        assert_eq!(url.application, "north");
        let url = parse("postgres://warden@%2Frun%2Fpg");
        assert_eq!(url.to_string(), "postgres:///run/pg:5432/warden");
        let url = parse("postgres:///fhir?host=/run/pg,db&user=warden&password=x&dbname=other");
        assert_eq!(url.to_string(), "postgres:///run/pg:5432,db:5432/other");
        let url = parse("postgres://warden:a@b@host/fhir");
        assert_eq!(url.password.as_ref().map(|p| p.as_str()), Some("a@b"));
    }

    #[test]
    fn what_leaves_this_machine_is_verified_unless_it_is_said_otherwise() {
        for (url, expected) in [
            ("postgres://u@localhost/d", Protection::Disable),
            ("postgres://u@127.0.0.9/d", Protection::Disable),
            ("postgres://u@[::1]/d", Protection::Disable),
            ("postgres://u@%2Frun/d", Protection::Disable),
            ("postgres://u@localhost,db/d", Protection::VerifyFull),
            ("postgres://u@localhost.example.com/d", Protection::VerifyFull),
            ("postgres://u@10.0.0.1/d", Protection::VerifyFull),
            ("postgres://u@db/d?sslmode=disable", Protection::Disable),
            ("postgres://u@db/d?sslmode=require", Protection::Require),
            ("postgres://u@db/d?sslmode=require&sslrootcert=ca.pem", Protection::VerifyCa),
            ("postgres://u@db/d?sslrootcert=ca.pem&sslmode=verify-ca", Protection::VerifyCa),
            ("postgres://u@localhost/d?sslmode=verify-full", Protection::VerifyFull),
        ] {
            assert_eq!(parse(url).protection, expected, "{url}");
        }
    }

    #[test]
    fn a_url_that_is_not_understood_is_refused_without_showing_it() {
        let many_hosts = format!("postgres://u:sesame@{}/d", ["h"; 9].join(","));
        for (url, what) in [
            ("mysql://u:sesame@h/d", "not of the form"),
            ("postgres://:sesame@h/d", "there is no user"),
            ("postgres://u:sesame@/d", "there is no host"),
            ("postgres://u:sesame@a,,b/d", "a host is empty"),
            ("postgres://u:sesame@h:x/d", "a port is not a number"),
            ("postgres://u:sesame@h:+1/d", "a port is not a number"),
            ("postgres://u:sesame@h:65536/d", "a port is not a number"),
            ("postgres://u:sesame@[::1/d", "a host is not of the form"),
            ("postgres://u:sesame@[::1]x/d", "a host is not of the form"),
            ("postgres://u:ses/ame@h/d", "are written %2F"),
            ("postgres://u:1/sesame@h/d", "are written %2F"),
            ("postgres://u:1?sesame=x@h/d", "are written %2F"),
            ("postgres://u:sesame%FF@h/d", "not UTF-8"),
            ("postgres://u:sesame%00@h/d", "a zero byte"),
            ("postgres://u:sesame@h/d?x", "an option without"),
            ("postgres://u:sesame@h/d?sslmod=disable", "`sslmod` is not known"),
            ("postgres://u:sesame@h/d?options=-cfsync%3Doff", "`options` is not known"),
            ("postgres://u:sesame@h/d?sslmode=prefer", "goes on without TLS"),
            ("postgres://u:sesame@h/d?sslmode=allow", "goes on without TLS"),
            ("postgres://u:sesame@h/d?sslmode=VERIFY", "is not verify-full"),
            ("postgres://u:sesame@h/d?sslmode=disable&sslrootcert=ca.pem", "no effect without"),
            ("postgres://u:sesame@localhost/d?channel_binding=require", "needs TLS"),
            ("postgres://u:sesame@h/d?channel_binding=disable", "is not prefer or require"),
            ("postgres://u:sesame@h/d?target_session_attrs=standby", "is not read-write"),
            ("postgres://u:sesame@h/d?target_session_attrs=any", "is not read-write"),
            ("postgres://u:sesame@h/d?connect_timeout=0", "is not 1 to 60"),
            ("postgres://u:sesame@h/d?connect_timeout=61", "is not 1 to 60"),
            (&many_hosts, "more than 8 hosts"),
        ] {
            let error = PostgresUrl::parse(url).expect_err(url).to_string();
            assert!(error.contains(what), "{url}: {error}");
            assert!(!error.contains("same"), "{url}: {error}");
        }
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        let url = parse("postgres://warden:sesame@db/fhir");
        for shown in [format!("{url}"), format!("{url:?}"), format!("{url:#?}")] {
            assert!(!shown.contains("sesame"), "{shown}");
            assert!(shown.contains("db:5432/fhir"), "{shown}");
        }
    }
}
