//! What the connections for policies reach, and that every query which is taken can be run.

use firewarden_access::policy_query::{Bindings, PolicyQuery};
use firewarden_fhir::ResourceType;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;

use super::super::render::Rendered;
use super::super::session::Session;
use super::super::*;
use super::database::*;
use crate::mutated_queries::mutated;

async fn filled() -> Option<Database> {
    let database = Database::open().await?;
    for of in ["Patient", "User", "AuditEvent"] {
        database.put(&json!({"resourceType": of, "id": "x"})).await;
    }
    database.put(&json!({"resourceType": "Patient", "id": "gone"})).await;
    database.delete("Patient/gone").await;
    let secret = "INSERT INTO secret VALUES (1, 'x', '/password', 'sealed')";
    database.owner.batch_execute(secret).await.unwrap();
    Some(database)
}

/// Makes the role that reads the view alone, as an operator does; another test may have.
async fn make_role(database: &Database) {
    let make = "DO $$ BEGIN CREATE ROLE firewarden_policies NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$";
    database.owner.batch_execute(make).await.unwrap();
    database.owner.batch_execute(&installation(database.dictionary())).await.unwrap();
}

async fn session(database: &Database) -> Session {
    Session::open(&database.connector).await.ok().unwrap()
}

async fn refused(session: &Session, sql: &str) -> SqlState {
    let outcome = session.client.simple_query(sql).await;
    let error = outcome.err().unwrap_or_else(|| panic!("{sql}"));
    error.code().unwrap_or_else(|| panic!("{sql}: {error}")).clone()
}

#[tokio::test]
async fn a_session_of_postgresql_with_the_role_reads_the_view_alone() {
    let Some(database) = filled().await else { return };
    make_role(&database).await;
    let session = session(&database).await;
    let seen = "SELECT string_agg(id, ',') FROM public.permitted_resource";
    let seen = session.client.query_one(seen, &[]).await.unwrap();
    assert_eq!(seen.get::<_, String>(0), "x");
    for sql in [
        "SELECT body FROM public.resource",
        "SELECT sealed FROM public.secret",
        "SELECT body FROM public.history",
        "SELECT policy_version FROM public.state",
        "SELECT name FROM public.resource_type",
        "SELECT rolpassword FROM pg_authid",
        "SELECT pg_read_file('/etc/hostname')",
        "SELECT pg_ls_dir('.')",
        "SELECT lo_import('/etc/hostname')",
        "COPY public.permitted_resource TO PROGRAM 'true'",
        "COPY public.permitted_resource TO 'x'",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
        "SELECT nextval('public.resource_key_seq')",
        "CREATE TABLE public.x (a int)",
        "DROP VIEW public.permitted_resource",
    ] {
        let state = refused(&session, sql).await;
        assert!(
            [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::READ_ONLY_SQL_TRANSACTION]
                .contains(&state),
            "{sql}: {state:?}"
        );
    }
}

#[tokio::test]
async fn a_session_of_postgresql_changes_nothing_whatever_its_role() {
    let Some(database) = filled().await else { return };
    let session = session(&database).await;
    session.client.batch_execute("RESET ROLE").await.unwrap();
    for sql in [
        "INSERT INTO public.state VALUES (2, 0)",
        "UPDATE public.resource SET deleted = 1",
        "DELETE FROM public.secret",
        "CREATE TABLE public.x (a int)",
        "DROP TABLE public.secret",
        "TRUNCATE public.secret",
        "SELECT nextval('public.resource_key_seq')",
        "SELECT * FROM public.resource FOR UPDATE",
    ] {
        assert_eq!(refused(&session, sql).await, SqlState::READ_ONLY_SQL_TRANSACTION, "{sql}");
    }
    // A name without its schema finds nothing of ours.
    assert_eq!(refused(&session, "SELECT 1 FROM resource").await, SqlState::UNDEFINED_TABLE);
}

#[tokio::test]
async fn what_is_installed_on_postgresql_again_is_not_made_again() {
    let Some(database) = filled().await else { return };
    let made = "SELECT xmin::text FROM pg_proc WHERE oid = 'public.policy_shape'::regproc";
    let made = async || {
        let row = database.owner.query_one(made, &[]).await.unwrap();
        row.get::<_, String>(0)
    };
    let before = made().await;
    database.owner.batch_execute(&installation(database.dictionary())).await.unwrap();
    assert_eq!(made().await, before);
    let other = installation(database.dictionary()).replace("FROM '", "FROM 'other ");
    database.owner.batch_execute(&other).await.unwrap();
    assert_ne!(made().await, before);
}

/// Renders what it is asked, and answers nothing.
struct Rendering<'a> {
    database: &'a Database,
    rendered: Mutex<Option<Rendered>>,
}

impl fmt::Debug for Rendering<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rendering")
    }
}

#[async_trait]
impl PolicyDatabase for Rendering<'_> {
    async fn evaluate(
        &self,
        query: &PolicyQuery,
        bindings: &Bindings,
    ) -> Result<QueryAnswer, Unanswered> {
        let names = self.database.readers.names();
        let rendered = render::render(query.select(), query.column_type(), bindings, names);
        *self.rendered.lock().unwrap() = Some(rendered.unwrap());
        Err(Unanswered::Failed)
    }
}

/// What a query is rendered as; `None` for one that cannot be saved or has no bindings.
async fn rendered(database: &Database, query: &str, request: &Value) -> Option<Rendered> {
    let rendering = Rendering { database, rendered: Mutex::default() };
    tried(&rendering, query, request).await;
    rendering.rendered.into_inner().unwrap()
}

#[tokio::test]
async fn a_resource_is_found_on_postgresql_by_its_type_and_id() {
    let Some(database) = Database::open().await else { return };
    let fill = format!(
        "INSERT INTO resource (type, id, version, updated, method, deleted, body)
        SELECT {}, 'p' || number, 1, 0, 1, 0, '{{}}' FROM generate_series(1, 5000) number",
        database.dictionary().resource_type(ResourceType::parse("Patient").unwrap())
    );
    database.owner.batch_execute(&fill).await.unwrap();
    database.owner.batch_execute("ANALYZE resource").await.unwrap();
    let session = session(&database).await;
    let request = json!({"params": {"resource/type": "Patient", "resource/id": "p1"}});
    for query in [
        "select true from patient where id = {{params.resource/id}}",
        "select true from {{!params.resource/type}} where {{params.resource/id}} = id",
        "select true from patient where id in ('a', {{params.resource/id}})",
        "select true from patient where id = split_part('/Patient/p1', '/', 3)",
        "select resource @> '{}' and resource->'a' is null from patient where id = 'p1'",
        "select true from patient a join patient b on b.id = a.resource->>'x' where a.id = 'p1'",
        "select count(*) = 1 from patient a left join patient b on b.id = a.id where a.id = 'p1'",
        "select exists (select * from patient where id = 'p1' and resource @> '{}')",
    ] {
        let Rendered { sql, parameters } = rendered(&database, query, &request).await.unwrap();
        let parameters: Vec<_> = parameters.iter().map(|value| value.typed()).collect();
        let plan = session.client.query_typed(&format!("EXPLAIN {sql}"), &parameters).await;
        let plan: Vec<String> = plan.unwrap().iter().map(|row| row.get(0)).collect();
        let plan = plan.join("\n");
        assert!(!plan.contains("Seq Scan"), "{query}: {plan}");
        assert!(plan.contains("Index Cond: ((type = "), "{query}: {plan}");
    }
}

#[tokio::test]
async fn every_query_that_is_taken_is_one_that_postgresql_prepares() {
    let Some(database) = filled().await else { return };
    let session = session(&database).await;
    let request = json!({
        "uri": "/fhir/Patient/p", "params": {"resource/type": "Patient", "resource/id": "p", "id": "a",
        "list": [1], "object": {}, "n": "5", "yes": "true", "pattern": "%"},
        "user": {"id": "u", "data": {"practitioner_id": "d", "patient_id": "p", "org": "o"}},
        "resource": {}, "jwt": {"n": 5, "big": 1, "d": 1.5, "t": true, "f": false, "s": "a", "nothing": "x", "nil": "y"},
    });
    let (mutated, mut runner) = (mutated(), TestRunner::deterministic());
    let mut taken = 0;
    for _ in 0..3_000 {
        let query = mutated.new_tree(&mut runner).unwrap().current();
        let Some(Rendered { sql, parameters }) = rendered(&database, &query, &request).await else {
            continue;
        };
        taken += 1;
        let parameters: Vec<_> = parameters.iter().map(|value| value.typed()).collect();
        if let Err(error) = session.client.query_typed(&sql, &parameters).await {
            // Errors of values; and of a list that is none.
            let code = error.code().unwrap().code().to_owned();
            let of_a_value = code.starts_with("22") || code == "21000" || code == "57014";
            assert!(of_a_value, "{query}: {sql}: {error:?}");
        }
    }
    assert!(taken > 500, "{taken}");
}
