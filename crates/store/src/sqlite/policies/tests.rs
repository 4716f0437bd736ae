//! What the connections for policies reach, and that every query which is taken can be run.

use firewarden_access::test_policy;
use firewarden_fhir::Timestamp;
use proptest::prelude::*;
use rusqlite::ErrorCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::deadline::Deadline;
use super::*;
use crate::database::Session;
use crate::mutated_queries::mutated;
use crate::sqlite::{connection, schema};

/// A database with a patient, a deleted one, a user and a secret.
struct Fixture {
    connection: Connection,
    dictionary: Arc<Dictionary>,
    deadline: Arc<Deadline>,
    _folder: TempDir,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let mut writer = connection::open_writer(&path).unwrap();
    schema::migrate(&mut writer).unwrap();
    let dictionary = Arc::new(Dictionary::register(&Session::Sqlite(&writer)).unwrap());
    let code = |name| dictionary.resource_type(firewarden_fhir::ResourceType::parse(name).unwrap());
    let insert = "INSERT INTO resource (type, id, version, updated, method, deleted, body)
        VALUES (?1, ?2, 1, 0, 1, ?3, ?4)";
    for (of, id, deleted) in
        [("Patient", "p", 0), ("Patient", "gone", 1), ("User", "u", 0), ("AuditEvent", "a", 0)]
    {
        let body = json!({"resourceType": of, "id": id}).to_string();
        writer.execute(insert, (code(of), id, deleted, body)).unwrap();
    }
    writer
        .execute("INSERT INTO secret VALUES (?1, 'u', '/password', x'00')", [code("User")])
        .unwrap();
    let deadline = Arc::new(Deadline::default());
    deadline.begin();
    let connection =
        permitted::open(&path, "http://localhost/fhir", &dictionary, &deadline).unwrap();
    Fixture { connection, dictionary, deadline, _folder: folder }
}

fn count(fixture: &Fixture, sql: &str) -> rusqlite::Result<i64> {
    fixture.connection.query_row(sql, [], |row| row.get(0))
}

#[test]
fn a_connection_sees_current_resources_of_the_types_that_have_a_table() {
    let fixture = fixture();
    assert_eq!(count(&fixture, "SELECT count(*) FROM permitted_resource").unwrap(), 1);
    assert_eq!(
        count(&fixture, "SELECT count(*) FROM permitted_resource WHERE id <> 'p'").unwrap(),
        0
    );
}

#[test]
fn sqlite_itself_refuses_everything_else() {
    let fixture = fixture();
    for sql in [
        "SELECT count(*) FROM resource",
        "SELECT id FROM main.resource",
        "SELECT body FROM resource",
        "SELECT packed FROM permitted_resource",
        "SELECT rowid FROM resource",
        "SELECT count(*) FROM secret",
        "SELECT sealed FROM secret",
        "SELECT count(*) FROM history",
        "SELECT policy_version FROM state",
        "SELECT sql FROM sqlite_master",
        "SELECT name FROM sqlite_temp_master",
        "SELECT value FROM token_index",
        "SELECT * FROM pragma_table_info('resource')",
        "SELECT value FROM json_tree('[1]')",
        "PRAGMA query_only = off",
        "PRAGMA table_info(resource)",
        "ATTACH DATABASE ':memory:' AS other",
        "DETACH DATABASE main",
        "BEGIN",
        "SAVEPOINT x",
        "INSERT INTO permitted_resource (id) VALUES ('x')",
        "INSERT INTO resource (id) VALUES ('x')",
        "UPDATE resource SET id = 'x'",
        "DELETE FROM resource",
        "CREATE TEMP TABLE x (a)",
        "CREATE TABLE x (a)",
        "CREATE TEMP VIEW x AS SELECT 1",
        "DROP VIEW permitted_resource",
        "REINDEX",
        "ANALYZE",
        "VACUUM",
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        "SELECT load_extension('x')",
        "SELECT writefile('x', 'y')",
        "SELECT randomblob(10)",
        "SELECT upper('x')",
        "SELECT sqlite_version()",
        "SELECT zeroblob(10)",
        "EXPLAIN SELECT id FROM resource",
        "SELECT 1 UNION SELECT 2",
    ] {
        let refused = fixture.connection.prepare(sql).and_then(|mut statement| {
            let mut rows = statement.query([])?;
            rows.next().map(drop)
        });
        assert!(refused.is_err(), "{sql}");
    }
    assert_eq!(count(&fixture, "SELECT count(*) FROM permitted_resource").unwrap(), 1);
}

#[test]
fn a_resource_is_found_by_its_type_and_id() {
    let fixture = fixture();
    let table = "(SELECT id, version, updated, body FROM permitted_resource WHERE type = ?1)";
    for sql in [
        format!("SELECT 1 FROM {table} AS s0 WHERE (s0.id = ?2)"),
        format!(
            "SELECT 1 FROM {table} AS s0 JOIN {table} AS s1 ON (fw_resource(s0.body) = s1.id) WHERE (s0.id = ?2)"
        ),
        format!(
            "SELECT count(*) FROM {table} AS s0 LEFT JOIN {table} AS s1 ON (s1.id = ?2) WHERE (s0.id = ?2)"
        ),
    ] {
        let mut statement =
            fixture.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = statement.query_map([1, 2], |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert!(!steps.iter().any(|step| step.contains("SCAN")), "{sql}: {steps:?}");
        assert!(steps.iter().any(|step| step.contains("(type=? AND id=?)")), "{sql}: {steps:?}");
    }
}

#[test]
fn what_runs_ends_at_the_deadline() {
    let fixture = fixture();
    let list = Value::from((0..3_000).collect::<Vec<_>>()).to_string();
    let sql = "SELECT count(*) FROM json_each(?1) a, json_each(?1) b, json_each(?1) c";
    fixture.deadline.end(1);
    let error = fixture.connection.query_row(sql, [list], |_| Ok(())).unwrap_err();
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::OperationInterrupted));
}

#[test]
fn only_so_much_json_is_built_at_once() {
    let fixture = fixture();
    let half =
        Value::from("x".repeat(crate::limits::POLICY_VALUE_BYTES_MAX as usize / 2)).to_string();
    let built =
        |sql: &str| fixture.connection.query_row(sql, [&half], |row| row.get::<_, String>(0));
    built("SELECT fw_array(?1)").unwrap();
    built("SELECT fw_array(?1, ?1)").unwrap_err();
    built("SELECT fw_object('a', ?1, 'b', ?1)").unwrap_err();
    built("SELECT fw_merge(?1, ?1)").unwrap_err();
}

/// Runs rules on one connection, and remembers the errors that are not of a value.
struct Recording {
    fixture: Mutex<Fixture>,
    errors: Mutex<Vec<String>>,
}

#[async_trait]
impl PolicyDatabase for Recording {
    async fn evaluate(
        &self,
        query: &PolicyQuery,
        bindings: &Bindings,
    ) -> Result<QueryAnswer, Unanswered> {
        self.record(query, bindings)
    }
}

impl Recording {
    fn record(&self, query: &PolicyQuery, bindings: &Bindings) -> Result<QueryAnswer, Unanswered> {
        let fixture = self.fixture.lock().unwrap();
        let rendered = render::render(query.select(), bindings, &fixture.dictionary).unwrap();
        run(&fixture.connection, &rendered, query.column_type()).map_err(|error| {
            let text = error.to_string();
            if text != "a value cannot be computed" {
                self.errors.lock().unwrap().push(format!("{error:?}: {}", rendered.sql));
            }
            Unanswered::Failed
        })
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recording")
    }
}

#[test]
fn every_query_that_is_taken_is_one_that_sqlite_prepares() {
    let recording = Recording { fixture: Mutex::new(fixture()), errors: Mutex::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let request = json!({
        "uri": "/fhir/Patient/p", "params": {"resource/type": "Patient", "resource/id": "p", "id": "a",
        "list": [1], "object": {}, "n": "5", "yes": "true", "pattern": "%"},
        "user": {"id": "u", "data": {"practitioner_id": "d", "patient_id": "p", "org": "o"}},
        "resource": {}, "jwt": {"n": 5, "big": 1, "d": 1.5, "t": true, "f": false, "s": "a", "nothing": "x", "nil": "y"},
    });
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3_000) };
    proptest!(config, |(query in mutated())| {
        let policy = json!({"engine": "sql", "sql": {"query": query}});
        let tested = test_policy(&request, policy.as_object().unwrap(), &recording, Timestamp::UNIX_EPOCH);
        runtime.block_on(tested);
        let errors = std::mem::take(&mut *recording.errors.lock().unwrap());
        prop_assert!(errors.is_empty(), "{errors:?}");
    });
}
