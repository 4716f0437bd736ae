//! A database for one test, filled by hand.

use std::collections::HashMap;

use firewarden_access::{Tested, test_policy};
use firewarden_fhir::{Id, Target, Timestamp, Version};
use firewarden_testkit::postgres::Cluster;
use serde_json::{Value, json};
use tokio_postgres::{Config, NoTls};

use super::super::session::{Connect, Unreachable};
use super::super::*;
use crate::body::BodyParts;

pub(super) const BASE_URL: &str = "http://localhost/fhir";

/// Connections without TLS.
pub(super) struct Plain(pub(super) Config);

#[async_trait]
impl Connect for Plain {
    async fn connect(&self) -> Result<tokio_postgres::Client, Unreachable> {
        let (client, connection) = self.0.connect(NoTls).await.map_err(|_| Unreachable)?;
        tokio::spawn(connection);
        Ok(client)
    }

    async fn cancel(&self, token: &tokio_postgres::CancelToken) -> Result<(), Unreachable> {
        token.cancel_query(NoTls).await.map_err(|_| Unreachable)
    }
}

/// A database, its owner's connection, and its rules' connections.
pub(super) struct Database {
    pub(super) config: Config,
    pub(super) owner: tokio_postgres::Client,
    pub(super) readers: Arc<PolicyReaders>,
    pub(super) code: Arc<TypeCodes>,
}

impl Database {
    /// A database with its tables and without rows. `None` where there is no PostgreSQL.
    pub(super) async fn open() -> Option<Self> {
        Some(Self::open_on(Cluster::shared()?).await)
    }

    pub(super) async fn open_on(cluster: &Cluster) -> Self {
        let codes: HashMap<ResourceType, i64> = ResourceType::all().zip(1..).collect();
        let code: Arc<TypeCodes> = Arc::new(move |of| codes[&of]);
        let made = cluster.database_from("policies", |database| {
            database.rows(include_str!("../../schema/1.sql"));
            database.rows(&installation(&*code));
        });
        let config: Config = made.url().parse().unwrap();
        let owner = Plain(config.clone()).connect().await.unwrap();
        let readers = Arc::new(PolicyReaders::new(Box::new(Plain(config.clone())), 2));
        Self { config, owner, readers, code }
    }

    /// The database, as one request's rules may ask it.
    pub(super) fn policies(&self) -> PostgresPolicies {
        PostgresPolicies::new(&self.readers, &self.code, &BASE_URL.into())
    }

    pub(super) async fn put(&self, resource: &Value) {
        let of = ResourceType::parse(resource["resourceType"].as_str().unwrap()).unwrap();
        let target = Target::new(of, Id::parse(resource["id"].as_str().unwrap()).unwrap());
        let body = BodyParts::of(&target, resource.as_object().unwrap());
        self.put_body(of, target.id.as_str(), &body.join(Version(1), at(0))).await;
    }

    pub(super) async fn put_body(&self, of: ResourceType, id: &str, body: &str) {
        let insert = "INSERT INTO resource (type, id, version, updated, method, deleted, body)
            VALUES ($1, $2, 1, $3, 1, 0, $4)";
        let (code, at) = (i32::try_from((self.code)(of)).unwrap(), at(0).as_millisecond());
        self.owner.execute(insert, &[&code, &id, &at, &body]).await.unwrap();
    }

    pub(super) async fn delete(&self, target: &str) {
        let (of, id) = target.split_once('/').unwrap();
        let code = (self.code)(ResourceType::parse(of).unwrap());
        let delete = "UPDATE resource SET deleted = 1, body = NULL WHERE type = $1 AND id = $2";
        self.owner.execute(delete, &[&i32::try_from(code).unwrap(), &id]).await.unwrap();
    }

    pub(super) async fn tried(&self, query: &str, request: &Value) -> Tested {
        tried(&self.policies(), query, request).await
    }
}

pub(super) async fn tried(database: &dyn PolicyDatabase, query: &str, request: &Value) -> Tested {
    let policy = json!({"engine": "sql", "sql": {"query": query}});
    test_policy(request, policy.as_object().unwrap(), database, at(0)).await
}

pub(super) fn verdict(tested: &Tested) -> &str {
    if tested.trace.get("issues").is_some() {
        return "refused";
    }
    tested.trace["verdict"].as_str().unwrap()
}

pub(super) fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + milliseconds).unwrap()
}
