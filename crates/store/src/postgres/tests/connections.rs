//! How connections are made, protected, set up and refused.

use std::net::SocketAddr;

use tokio::net::lookup_host;
use tokio_postgres::Client;

use super::empty_database;
use super::stand_in::{Authority, message, saying, with_tls};
use crate::StoreError;
use crate::postgres::connect::{Connector, Purpose};
use crate::postgres::url::{Host, PostgresUrl};

async fn connected(url: &str, purpose: Purpose) -> Result<Client, StoreError> {
    let (client, connection) = Connector::parse(url)?.connect(purpose).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn refused(url: &str) -> String {
    let error = connected(url, Purpose::Read).await.err();
    let error = error.unwrap_or_else(|| panic!("{url} was connected to")).to_string();
    assert!(!error.contains("sesame"), "{error}");
    error
}

async fn shown(client: &Client, setting: &str) -> String {
    client.query_one(&format!("SHOW {setting}"), &[]).await.unwrap().get(0)
}

/// The same URL, at other servers, with options.
fn elsewhere(url: &str, servers: &str, options: &str) -> String {
    let (login, rest) = url.split_once('@').unwrap();
    let (_, path) = rest.split_once('/').unwrap();
    let path = path.split('?').next().unwrap();
    format!("{login}@{servers}/{path}?{options}")
}

async fn address(url: &str) -> SocketAddr {
    let url = PostgresUrl::parse(url).unwrap();
    let server = &url.servers[0];
    let Host::Network(name) = &server.host else { panic!("not in a network") };
    lookup_host((name.as_str(), server.port)).await.unwrap().next().unwrap()
}

#[tokio::test]
async fn a_connection_is_set_up_for_its_purpose_whatever_the_database_says() {
    let Some(database) = empty_database() else { return };
    let url = database.url();
    let admin = connected(&url, Purpose::Schema).await.unwrap();
    for (setting, value) in [
        ("synchronous_commit", "off"),
        ("default_transaction_isolation", "'repeatable read'"),
        ("search_path", "pg_temp"),
        ("statement_timeout", "0"),
        ("jit", "on"),
    ] {
        let set = format!("ALTER DATABASE {} SET {setting} = {value}", database.name());
        admin.batch_execute(&set).await.unwrap();
    }
    for (purpose, statement_time, isolation, read_only, commit) in [
        (Purpose::Read, "5s", "repeatable read", "on", "off"),
        (Purpose::Policies, "250ms", "repeatable read", "on", "off"),
        (Purpose::Write, "5s", "serializable", "off", "on"),
        (Purpose::Lease, "900ms", "read committed", "off", "off"),
        (Purpose::Schema, "0", "read committed", "off", "on"),
    ] {
        let client = connected(&url, purpose).await.unwrap();
        for (setting, expected) in [
            ("statement_timeout", statement_time),
            ("transaction_isolation", isolation),
            ("transaction_read_only", read_only),
            ("synchronous_commit", commit),
            ("search_path", "public, pg_temp"),
            ("idle_in_transaction_session_timeout", "5s"),
            ("jit", "off"),
            ("application_name", "firewarden"),
        ] {
            assert_eq!(shown(&client, setting).await, expected, "{purpose:?} {setting}");
        }
        let written = client.batch_execute("CREATE TEMPORARY TABLE own (a integer)").await;
        assert_eq!(written.is_err(), read_only == "on", "{purpose:?}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_writes_is_passed_over() {
    let Some(database) = empty_database() else { return };
    let url = database.url();
    let admin = connected(&url, Purpose::Schema).await.unwrap();
    let reads =
        format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.name());
    admin.batch_execute(&reads).await.unwrap();
    assert!(refused(&url).await.contains("it refuses writes"));
}

#[tokio::test]
async fn a_silent_server_and_a_closed_port_are_passed_over() {
    let Some(database) = empty_database() else { return };
    let url = database.url();
    let silent = saying(Vec::new()).await;
    let servers = format!("127.0.0.1:1,{silent},{}", address(&url).await);
    let options = "connect_timeout=1&sslmode=disable";
    connected(&elsewhere(&url, &servers, options), Purpose::Read).await.unwrap();
    let error = refused(&elsewhere(&url, &format!("127.0.0.1:1,{silent}"), options)).await;
    assert!(error.contains("`127.0.0.1:1`: error connecting to server"), "{error}");
    assert!(error.contains(&format!("`{silent}`: it does not answer in time")), "{error}");
}

#[tokio::test]
async fn an_old_server_is_refused_and_a_newer_one_is_not() {
    let versions = [("9.6.24", false), ("14.19", false), ("15.0", true), ("19beta2", true)];
    for (version, taken) in versions {
        let told = [b"server_version\0", version.as_bytes(), b"\0"].concat();
        let greeting = [
            message(b'R', &[0; 4]),
            message(b'S', &told),
            message(b'K', &[0; 8]),
            message(b'Z', b"I"),
        ];
        let server = saying(greeting.concat()).await;
        let error = refused(&format!("postgres://u@{server}/d?connect_timeout=1")).await;
        // One that is taken is asked how it is set up, and has no answer.
        let expected = if taken { "does not answer in time" } else { "is not supported" };
        assert!(error.contains(expected), "{version}: {error}");
    }
}

#[tokio::test]
async fn a_refused_password_is_not_told() {
    let server = saying(message(b'E', b"SFATAL\0C28P01\0Mno entry for \"u\"\0\0")).await;
    let error = refused(&format!("postgres://u:sesame@{server}/d")).await;
    assert!(error.contains("no entry for \"u\" (28P01)"), "{error}");
    let connector = Connector::parse(&format!("postgres://u:sesame@{server}/d")).unwrap();
    assert_eq!(format!("{connector:?}"), format!("Connector(postgres://{server}/d)"));
}

#[tokio::test]
async fn the_server_is_verified_as_far_as_it_is_asked_for() {
    let Some(database) = empty_database() else { return };
    let url = database.url();
    let server = address(&url).await;
    let (ours, theirs) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("ca.pem");
    std::fs::write(&roots, &ours.pem).unwrap();
    let roots = roots.display();
    let trusted = with_tls(ours.acceptor("localhost"), server).await.port();
    let misnamed = with_tls(ours.acceptor("db.example.com"), server).await.port();
    let foreign = with_tls(theirs.acceptor("localhost"), server).await.port();
    for (options, port, taken) in [
        (format!("sslmode=verify-full&sslrootcert={roots}"), trusted, true),
        (format!("sslmode=verify-full&sslrootcert={roots}"), misnamed, false),
        (format!("sslmode=verify-full&sslrootcert={roots}"), foreign, false),
        (format!("sslmode=verify-ca&sslrootcert={roots}"), trusted, true),
        (format!("sslmode=verify-ca&sslrootcert={roots}"), misnamed, true),
        (format!("sslmode=verify-ca&sslrootcert={roots}"), foreign, false),
        (format!("sslmode=require&sslrootcert={roots}"), misnamed, true),
        (format!("sslmode=require&sslrootcert={roots}"), foreign, false),
        ("sslmode=require".to_owned(), foreign, true),
        ("sslmode=verify-full&sslrootcert=system".to_owned(), trusted, false),
        ("sslmode=require&channel_binding=require".to_owned(), trusted, false),
    ] {
        let url = elsewhere(&url, &format!("localhost:{port}"), &options);
        let connected = connected(&url, Purpose::Read).await;
        assert_eq!(connected.is_ok(), taken, "{options} {port}: {:?}", connected.err());
    }
    for mode in ["require", "verify-full"] {
        let options = format!("sslmode={mode}&sslrootcert={roots}");
        let without_tls = saying(b"N".to_vec()).await;
        let error = refused(&elsewhere(&url, &without_tls.to_string(), &options)).await;
        assert!(error.contains("server does not support TLS"), "{error}");
    }
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let absent = folder.path().join("absent.pem");
    for (file, what) in [(empty, "there is no authority"), (absent, "absent.pem`")] {
        let url = format!("postgres://u:sesame@db/d?sslrootcert={}", file.display());
        let error = Connector::parse(&url).err().unwrap().to_string();
        assert!(error.contains(what) && !error.contains("sesame"), "{error}");
    }
}

#[tokio::test]
async fn a_query_is_cancelled_over_the_same_protection() {
    let Some(database) = empty_database() else { return };
    let url = database.url();
    let ours = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("ca.pem");
    std::fs::write(&roots, &ours.pem).unwrap();
    let protected = with_tls(ours.acceptor("localhost"), address(&url).await).await;
    let options = format!("sslmode=verify-full&sslrootcert={}", roots.display());
    let protected = elsewhere(&url, &format!("localhost:{}", protected.port()), &options);
    for url in [url, protected] {
        let connector = Connector::parse(&url).unwrap();
        let (client, connection) = connector.connect(Purpose::Schema).await.unwrap();
        tokio::spawn(connection);
        let token = client.cancel_token();
        let sleeping = client.batch_execute("SELECT pg_sleep(600)");
        let cancelling = async {
            loop {
                connector.cancel(&token).await.unwrap();
            }
        };
        let ended = tokio::select! {
            ended = sleeping => ended.unwrap_err(),
            () = cancelling => unreachable!(),
        };
        assert_eq!(ended.code().unwrap().code(), "57014");
    }
}
