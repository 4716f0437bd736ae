//! The engine sql: which answers of a database satisfy a rule, and what is told of the others.

use async_trait::async_trait;
use firewarden_access::policy_query::{Bindings, PolicyQuery};
use firewarden_access::{Answered, PolicyDatabase, QueryAnswer, Tested, Unanswered, test_policy};
use serde_json::{Value, json};

use crate::cases;

/// A database that answers every query alike.
#[derive(Debug)]
struct Answering(Result<QueryAnswer, Unanswered>);

#[async_trait]
impl PolicyDatabase for Answering {
    async fn evaluate(&self, _: &PolicyQuery, _: &Bindings) -> Result<QueryAnswer, Unanswered> {
        self.0
    }
}

fn tested(query: &str, answer: Result<QueryAnswer, Unanswered>) -> Tested {
    let policy = cases::object(&json!({"engine": "sql", "sql": {"query": query}}));
    let document = json!({"user": {"id": "a", "n": 1}, "params": {"t": "nothing"}});
    cases::answer(test_policy(&document, &policy, &Answering(answer), cases::now()))
}

const ONE_COLUMN: &str = "select {{user.id}} = 'a'";
const TWO_COLUMNS: &str = "select true, {{user.id}} = 'a'";

#[test]
fn one_row_of_one_column_that_is_true_or_1_satisfies_and_nothing_else() {
    let one = |value| Ok(QueryAnswer::OneRow(value));
    for (query, answer, satisfied) in [
        (ONE_COLUMN, one(Answered::Boolean(true)), true),
        (ONE_COLUMN, one(Answered::Integer(1)), true),
        (ONE_COLUMN, one(Answered::Boolean(false)), false),
        (ONE_COLUMN, one(Answered::Integer(0)), false),
        (ONE_COLUMN, one(Answered::Integer(2)), false),
        (ONE_COLUMN, one(Answered::Integer(-1)), false),
        (ONE_COLUMN, one(Answered::Null), false),
        (ONE_COLUMN, one(Answered::Other), false),
        (ONE_COLUMN, Ok(QueryAnswer::NoRow), false),
        (ONE_COLUMN, Ok(QueryAnswer::SeveralRows), false),
        (TWO_COLUMNS, one(Answered::Boolean(true)), false),
        (TWO_COLUMNS, one(Answered::Integer(1)), false),
        ("select {{user.gone}} is null", one(Answered::Boolean(true)), false),
        ("select exists (select 1 from {{!params.t}})", one(Answered::Boolean(true)), false),
        ("select {{user.n}} = 'a'", one(Answered::Boolean(true)), false),
        (ONE_COLUMN, Err(Unanswered::OutOfTime), false),
        (ONE_COLUMN, Err(Unanswered::Busy), false),
        (ONE_COLUMN, Err(Unanswered::Failed), false),
    ] {
        let tested = tested(query, answer);
        assert_eq!(tested.satisfied, satisfied, "{query} {answer:?} {}", tested.trace);
        assert_eq!(tested.trace.get("failing").is_none(), satisfied, "{query} {answer:?}");
    }
}

#[test]
fn what_became_of_the_query_is_told_and_no_value_that_it_found() {
    let told = |rows: &str, columns: u8, value: Value| json!({"rows": rows, "columns": columns, "value": value});
    let one = |value| Ok(QueryAnswer::OneRow(value));
    for (query, answer, verdict, failing) in [
        (ONE_COLUMN, one(Answered::Boolean(false)), "not-satisfied", told("1", 1, json!(false))),
        (ONE_COLUMN, one(Answered::Null), "not-satisfied", told("1", 1, Value::Null)),
        (
            ONE_COLUMN,
            one(Answered::Integer(7)),
            "not-satisfied",
            told("1", 1, json!("an integer that is not 1")),
        ),
        (
            ONE_COLUMN,
            one(Answered::Other),
            "not-satisfied",
            told("1", 1, json!("a value of the type boolean")),
        ),
        (TWO_COLUMNS, one(Answered::Integer(1)), "not-satisfied", told("1", 2, json!(1))),
        (ONE_COLUMN, Ok(QueryAnswer::NoRow), "not-satisfied", json!({"rows": "0", "columns": 1})),
        (
            ONE_COLUMN,
            Ok(QueryAnswer::SeveralRows),
            "not-satisfied",
            json!({"rows": "2 or more", "columns": 1}),
        ),
        (
            "select {{user.gone}} is null",
            Ok(QueryAnswer::NoRow),
            "not-satisfied",
            json!({"absent": "user.gone"}),
        ),
        (
            "select exists (select 1 from {{!params.t}})",
            Ok(QueryAnswer::NoRow),
            "not-satisfied",
            json!({"no-table": "params.t"}),
        ),
        (
            "select {{user.n}} = 'a'",
            Ok(QueryAnswer::NoRow),
            "failed",
            json!({"another-type": "user.n"}),
        ),
        (ONE_COLUMN, Err(Unanswered::OutOfTime), "failed", json!({"query": "out of time"})),
        (
            ONE_COLUMN,
            Err(Unanswered::Busy),
            "failed",
            json!({"query": "too many queries are running"}),
        ),
        (ONE_COLUMN, Err(Unanswered::Failed), "failed", json!({"query": "ended in an error"})),
    ] {
        let expected = json!({"verdict": verdict, "failing": failing});
        assert_eq!(tested(query, answer).trace, expected, "{query} {answer:?}");
    }
}
