//! PostgreSQL for tests, and a proxy in front of it.

mod cluster;
mod endings;
mod proxy;

use firewarden_testkit::postgres::{Cluster, Options};
use tokio_postgres::{Client, NoTls};

/// A cluster to break, whose commits last.
fn durable() -> Option<Cluster> {
    Cluster::start(&Options { durable: true, settings: Vec::new() })
}

/// A client, and what its connection came to once it ends.
struct Session {
    client: Client,
    connection: tokio::task::JoinHandle<Result<(), tokio_postgres::Error>>,
}

impl Session {
    async fn open(url: &str) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        Ok(Self { client, connection: tokio::spawn(connection) })
    }

    async fn number(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }
}
