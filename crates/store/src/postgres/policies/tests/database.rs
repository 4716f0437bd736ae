//! A database for one test, filled by hand.

use firewarden_access::{Tested, test_policy};
use firewarden_fhir::{Id, ResourceType, Target, Timestamp, Version};
use firewarden_testkit::postgres::Cluster;
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::super::*;
use crate::body::BodyParts;
use crate::database::Session;
use crate::engine::dictionary::Dictionary;
use crate::postgres::connect::{Connector, Purpose};
use crate::postgres::connection::PostgresConnection;
use crate::postgres::schema;

pub(super) const BASE_URL: &str = "http://localhost/fhir";

/// A database, its owner's connection, and its rules' connections.
pub(super) struct Database {
    pub(super) connector: Connector,
    pub(super) owner: Client,
    pub(super) readers: Arc<PostgresReaders>,
}

/// How many connections for rules a test has.
pub(super) const READERS: u32 = 2;

impl Database {
    /// A database with its tables and without rows. `None` where there is no PostgreSQL.
    pub(super) async fn open() -> Option<Self> {
        let made = Cluster::shared()?.database_from("policies", |made| {
            let connector = Connector::parse(&made.url()).unwrap();
            let mut connection = PostgresConnection::open(&connector, Purpose::Schema).unwrap();
            let transaction = connection.begin().unwrap();
            schema::migrate(&transaction).unwrap();
            let dictionary = Dictionary::register(&Session::Postgres(&transaction)).unwrap();
            transaction.run_script(&installation(&dictionary)).unwrap();
            transaction.commit().unwrap();
        });
        let connector = Connector::parse(&made.url()).unwrap();
        let (owner, connection) = connector.connect(Purpose::Schema).await.unwrap();
        tokio::spawn(connection);
        let dictionary = std::thread::scope(|threads| {
            let registered = threads.spawn(|| {
                let mut connection = PostgresConnection::open(&connector, Purpose::Schema).unwrap();
                let transaction = connection.begin().unwrap();
                Dictionary::register(&Session::Postgres(&transaction)).unwrap()
            });
            Arc::new(registered.join().unwrap())
        });
        let readers = readers(connector.clone(), dictionary);
        Some(Self { connector, owner, readers })
    }

    /// The database, as one request's rules may ask it.
    pub(super) fn policies(&self) -> PostgresPolicies {
        PostgresPolicies::new(&self.readers)
    }

    pub(super) fn dictionary(&self) -> &Arc<Dictionary> {
        &self.readers.names().dictionary
    }

    fn code(&self, of: ResourceType) -> i32 {
        i32::try_from(self.dictionary().resource_type(of)).unwrap()
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
        let (code, at) = (self.code(of), at(0).as_millisecond());
        self.owner.execute(insert, &[&code, &id, &at, &body]).await.unwrap();
    }

    pub(super) async fn delete(&self, target: &str) {
        let (of, id) = target.split_once('/').unwrap();
        let code = self.code(ResourceType::parse(of).unwrap());
        let delete = "UPDATE resource SET deleted = 1, body = NULL WHERE type = $1 AND id = $2";
        self.owner.execute(delete, &[&code, &id]).await.unwrap();
    }

    pub(super) async fn tried(&self, query: &str, request: &Value) -> Tested {
        tried(&self.policies(), query, request).await
    }
}

pub(super) fn readers(connector: Connector, dictionary: Arc<Dictionary>) -> Arc<PostgresReaders> {
    let readers = READERS as usize;
    Arc::new(PostgresReaders::new(connector, dictionary, BASE_URL.to_owned(), readers))
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
