//! Reads the settings out of their sources.

use std::path::PathBuf;

use firewarden_fhir::Id;
use firewarden_store::{Database, PostgresUrl};
use http::HeaderValue;
use zeroize::Zeroizing;

use super::{LogFormat, SETTINGS, Settings, SettingsError, Sources, TlsFiles};
use crate::limits;

impl Settings {
    /// Reads every setting; the first that cannot be used is the error.
    pub fn read(sources: &Sources<'_>) -> Result<Self, SettingsError> {
        known_names(sources)?;
        let text = |name: &str| sources.get(name);
        let or = |name: &str, default: &str| {
            text(name).map(|value| value.map_or_else(|| default.to_owned(), |v| v.to_string()))
        };
        let listen = or("LISTEN", "127.0.0.1:8080")?
            .parse()
            .map_err(|_| SettingsError::new("LISTEN", "not an address such as 127.0.0.1:8080"))?;
        let database = text("DATABASE_URL")?;
        let database = database.as_deref().map_or("sqlite:firewarden-data/firewarden.db", |u| u);
        let database = database_at(database)?;
        let secrets_key = text("SECRETS_KEY")?.map(|key| secrets_key(&key)).transpose()?;
        if let Database::Postgres { url } = &database {
            of_many_servers(url.has_password(), secrets_key.is_some(), sources)?;
        }
        Ok(Self {
            listen,
            database,
            public_url: text("PUBLIC_URL")?.map(|url| public_url(&url)).transpose()?,
            root_client_id: Id::parse(&or("ROOT_CLIENT_ID", "root")?)
                .ok_or_else(|| SettingsError::new("ROOT_CLIENT_ID", "not an id"))?,
            root_client_secret: text("ROOT_CLIENT_SECRET")?,
            init_bundle: text("INIT_BUNDLE")?.map(|path| PathBuf::from(path.as_str())),
            outbound_allow: list(&or("OUTBOUND_ALLOW", "")?),
            secrets_key,
            tls: tls(text("TLS_CERT")?, text("TLS_KEY")?)?,
            trusted_proxies: list(&or("TRUSTED_PROXIES", "")?)
                .iter()
                .map(|text| network(text))
                .collect::<Result<_, _>>()?,
            cors_origins: list(&or("CORS_ORIGINS", "")?)
                .iter()
                .map(|text| origin(text))
                .collect::<Result<_, _>>()?,
            body_bytes_max: bytes(sources, "BODY_LIMIT", limits::BODY_BYTES_DEFAULT)?,
            bundle_bytes_max: bytes(sources, "BUNDLE_LIMIT", limits::BUNDLE_BYTES_DEFAULT)?,
            dev_mode: truth("DEV_MODE", &or("DEV_MODE", "false")?)?,
            log: or("LOG", "info")?,
            log_format: text("LOG_FORMAT")?.map(|text| log_format(&text)).transpose()?,
        })
    }
}

/// A misspelt name in the file would leave a setting at its default without a word.
fn known_names(sources: &Sources<'_>) -> Result<(), SettingsError> {
    let known = |key: &str| {
        let name = key.to_ascii_uppercase();
        let name = name.strip_suffix("_FILE").unwrap_or(&name);
        SETTINGS.iter().any(|setting| setting.name == name)
    };
    match sources.file.keys().find(|key| !known(key)) {
        Some(key) => {
            let what = "there is no such setting: see docs/settings.md";
            Err(SettingsError::new(&key.to_ascii_uppercase(), what))
        }
        None => Ok(()),
    }
}

fn list(text: &str) -> Vec<String> {
    text.split([',', ' ']).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn database_at(url: &str) -> Result<Database, SettingsError> {
    let wrong = |what: String| SettingsError::new("DATABASE_URL", what);
    match url.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => {
            Ok(Database::Sqlite { path: PathBuf::from(path) })
        }
        Some(("postgres" | "postgresql", _)) => {
            let url = PostgresUrl::parse(url).map_err(|error| wrong(error.to_string()))?;
            Ok(Database::Postgres { url })
        }
        _ => Err(wrong("neither of the form sqlite:PATH nor postgres://…".to_owned())),
    }
}

/// What a database that several servers share asks of their settings.
fn of_many_servers(
    has_password: bool,
    has_key: bool,
    sources: &Sources<'_>,
) -> Result<(), SettingsError> {
    if has_password && sources.flags.contains_key("DATABASE_URL") {
        let what = "a password in a flag is seen in the list of processes: use the environment, \
                    or a file by FIREWARDEN_DATABASE_URL_FILE";
        return Err(SettingsError::new("DATABASE_URL", what));
    }
    if !has_key {
        let what =
            "needed with PostgreSQL: 64 hex digits, the same for every server of the database";
        return Err(SettingsError::new("SECRETS_KEY", what));
    }
    Ok(())
}

fn public_url(text: &str) -> Result<String, SettingsError> {
    let wrong = |what: &str| SettingsError::new("PUBLIC_URL", what);
    let url = url::Url::parse(text).map_err(|_| wrong("not an absolute URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("not an http or https URL"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(wrong("more than a scheme, a host, a port and a path"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn secrets_key(text: &str) -> Result<Zeroizing<[u8; 32]>, SettingsError> {
    decode_key(text).ok_or_else(|| SettingsError::new("SECRETS_KEY", "not 64 hex digits"))
}

/// A key of 64 hex digits.
pub(crate) fn decode_key(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = Zeroizing::new(digits.filter(|digits| digits.len() == 64)?);
    let mut key = Zeroizing::new([0; 32]);
    for (byte, pair) in key.iter_mut().zip(digits.as_chunks::<2>().0) {
        *byte = pair[0] * 16 + pair[1];
    }
    Some(key)
}

fn tls(
    certificate: Option<Zeroizing<String>>,
    key: Option<Zeroizing<String>>,
) -> Result<Option<TlsFiles>, SettingsError> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles {
            certificate: PathBuf::from(certificate.as_str()),
            key: PathBuf::from(key.as_str()),
        })),
        (Some(_), None) => Err(SettingsError::new("TLS_KEY", "missing beside FIREWARDEN_TLS_CERT")),
        (None, Some(_)) => Err(SettingsError::new("TLS_CERT", "missing beside FIREWARDEN_TLS_KEY")),
    }
}

fn network(text: &str) -> Result<ipnet::IpNet, SettingsError> {
    let single = || text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from);
    text.parse().or_else(|_| single()).map_err(|_| {
        SettingsError::new("TRUSTED_PROXIES", format!("not a network such as 10.0.0.0/8: `{text}`"))
    })
}

fn origin(text: &str) -> Result<HeaderValue, SettingsError> {
    let wrong = || {
        let what = format!("not an origin such as https://app.example.com: `{text}`");
        SettingsError::new("CORS_ORIGINS", what)
    };
    let url = url::Url::parse(text).map_err(|_| wrong())?;
    if url.origin().ascii_serialization() != text {
        return Err(wrong());
    }
    HeaderValue::from_str(text).map_err(|_| wrong())
}

/// A number of bytes, plain or with `KiB` or `MiB`.
fn bytes(sources: &Sources<'_>, name: &str, default: usize) -> Result<usize, SettingsError> {
    let Some(text) = sources.get(name)? else {
        return Ok(default);
    };
    let (digits, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text.as_str(), ""),
    };
    let factor = match unit.trim() {
        "" => Some(1),
        "KiB" => Some(1024),
        "MiB" => Some(1024 * 1024),
        _ => None,
    };
    let value = digits.parse::<usize>().ok().zip(factor).and_then(|(n, f)| n.checked_mul(f));
    value
        .filter(|value| *value > 0)
        .ok_or_else(|| SettingsError::new(name, "not a size such as 2097152 or 2 MiB"))
}

fn truth(name: &str, text: &str) -> Result<bool, SettingsError> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(SettingsError::new(name, "neither true nor false")),
    }
}

fn log_format(text: &str) -> Result<LogFormat, SettingsError> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(SettingsError::new("LOG_FORMAT", "neither text nor json")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn read(
        flags: &[(&str, &str)],
        environment: &[(&str, &str)],
        file: &str,
    ) -> Result<Settings, String> {
        let pairs = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
            pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
        };
        let environment = pairs(environment);
        Settings::read(&Sources {
            flags: pairs(flags),
            environment: &|name| environment.get(name).cloned(),
            file: file.parse().unwrap(),
            read_file: &|path| match path {
                "secret.txt" => Ok("from-a-file\n".to_owned()),
                _ => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
            },
        })
        .map_err(|error| error.to_string())
    }

    #[test]
    fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
        let file = "listen = \"127.0.0.1:3\"";
        let listen = |flags: &[(&str, &str)], environment: &[(&str, &str)], file: &str| {
            read(flags, environment, file).unwrap().listen.port()
        };
        let flag = [("LISTEN", "127.0.0.1:1")];
        let variable = [("FIREWARDEN_LISTEN", "127.0.0.1:2")];
        assert_eq!(listen(&flag, &variable, file), 1);
        assert_eq!(listen(&[], &variable, file), 2);
        assert_eq!(listen(&[], &[], file), 3);
        assert_eq!(listen(&[], &[], ""), 8080);
    }

    #[test]
    fn a_secret_can_be_read_from_a_file() {
        let variable = [("FIREWARDEN_ROOT_CLIENT_SECRET_FILE", "secret.txt")];
        let secret = read(&[], &variable, "").unwrap().root_client_secret.unwrap();
        assert_eq!(secret.as_str(), "from-a-file");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let cases: &[(&str, &str, &str)] = &[
            ("LISTEN", "8080", "not an address"),
            ("DATABASE_URL", "postgres://x", "there is no user"),
            ("DATABASE_URL", "postgresql://u@db/d?sslmode=prefer", "goes on without TLS"),
            ("DATABASE_URL", "mysql:x", "neither of the form"),
            ("DATABASE_URL_FILE", "absent.txt", "cannot read"),
            ("PUBLIC_URL", "example.com", "not an absolute URL"),
            ("PUBLIC_URL", "ftp://example.com", "not an http"),
            ("PUBLIC_URL", "https://u@example.com/?x", "more than"),
            ("ROOT_CLIENT_ID", "a/b", "not an id"),
            ("SECRETS_KEY", "abc", "not 64 hex digits"),
            ("TLS_CERT", "cert.pem", "missing beside"),
            ("TRUSTED_PROXIES", "10.0.0.0/33", "not a network"),
            ("CORS_ORIGINS", "https://app.example.com/", "not an origin"),
            ("CORS_ORIGINS", "*", "not an origin"),
            ("BODY_LIMIT", "2 MB", "not a size"),
            ("BODY_LIMIT", "0", "not a size"),
            ("DEV_MODE", "yes", "neither true nor false"),
            ("LOG_FORMAT", "xml", "neither text nor json"),
            ("ROOT_CLIENT_SECRET_FILE", "absent.txt", "cannot read"),
        ];
        for (name, value, what) in cases {
            let error = read(&[], &[(&format!("FIREWARDEN_{name}"), value)], "").err().unwrap();
            assert!(error.contains(what), "{name}={value}: {error}");
        }
        let error = read(&[], &[], "lisen = \"x\"").err().unwrap();
        assert!(error.contains("FIREWARDEN_LISEN: there is no such setting"), "{error}");
    }

    #[test]
    fn postgresql_needs_a_key_and_no_password_in_a_flag() {
        let url = ("FIREWARDEN_DATABASE_URL", "postgres://u:sesame@db/d");
        let key = ("FIREWARDEN_SECRETS_KEY", "07".repeat(32));
        let key = (key.0, key.1.as_str());
        let shown = |settings: Result<Settings, String>| match settings {
            Ok(settings) => settings.database.to_string(),
            Err(error) => error,
        };
        assert_eq!(shown(read(&[], &[url, key], "")), "postgres://db:5432/d");
        let error = shown(read(&[], &[url], ""));
        assert!(error.starts_with("FIREWARDEN_SECRETS_KEY: needed with PostgreSQL"), "{error}");
        let error = shown(read(&[("DATABASE_URL", url.1)], &[key], ""));
        assert!(error.contains("a password in a flag"), "{error}");
        assert!(!error.contains("sesame"), "{error}");
        let without = [("DATABASE_URL", "postgres://u@db/d")];
        assert_eq!(shown(read(&without, &[key], "")), "postgres://db:5432/d");
    }

    #[test]
    fn sizes_have_units() {
        let limit = |text| read(&[("BODY_LIMIT", text)], &[], "").unwrap().body_bytes_max;
        assert_eq!((limit("100"), limit("1 KiB"), limit("3MiB")), (100, 1024, 3 * 1024 * 1024));
    }
}
