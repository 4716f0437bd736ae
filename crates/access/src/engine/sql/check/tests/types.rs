//! Which types meet, how operators bind, and what a literal is.

use super::{checked, refusal};
use crate::policy_query::{Expression, Literal, ValueType};

#[test]
fn values_of_different_types_meet_only_by_a_cast() {
    for query in [
        "select id = 1 from patient",
        "select version = '1x' from patient",
        "select version = id from patient",
        "select resource = id from patient",
        "select true = 1",
        "select 'maybe' = true",
        "select resource->'x' = 'not json' from patient",
        "select resource->>'n' > 5 from patient",
        "select resource->>'n' like 5 from patient",
        "select id->'x' from patient",
        "select {{user}}->'data' is null",
        "select {{user}} @> '{}'",
        "select resource @> {{user}} from patient",
        "select 1 || 'a' = '1a'",
        "select id || resource = 'x' from patient",
        "select resource < '{}' from patient",
        "select true < false",
        "select updated = {{jwt.exp}} from patient",
        "select {{jwt.exp}}::timestamptz = updated from patient",
        "select updated > 'yesterday' from patient",
        "select (resource->'n')::int = 1 from patient",
        "select updated::text = 'x' from patient",
        "select jsonb_build_object('a', updated) is null from patient",
        "select jsonb_build_object(1, 2) is null",
        "select true where id from patient",
        "select not 1",
        "select 1 and true",
        "select 1 in ('a')",
        "select 1 in (select id from patient)",
        "select 1 in (select 1, 2)",
        "select (select 1, 2) = 1",
        "select 1 in ()",
        "select coalesce(1, 'a')",
        "select resource #> '{a' is null from patient",
        "select resource #> '{\"a\"}' is null from patient",
        "select resource #> '{a,}' is null from patient",
        "select resource #> '{null}' is null from patient",
        "select resource #> id is null from patient",
        "select resource #> {{user.path}} is null from patient",
        "select '{\"a\":1,\"a\":2}'::jsonb is null",
    ] {
        assert!(!refusal(query).is_empty(), "{query}");
    }
}

#[test]
fn operators_bind_as_in_postgresql() {
    for (query, same) in [
        ("select 'a' || 'b' = 'ab' and true", "select (('a' || 'b') = 'ab') and true"),
        (
            "select resource->'a'->>'b' = 'c' from patient",
            "select ((resource->'a')->>'b') = 'c' from patient",
        ),
        (
            "select not id = 'a' and true from patient",
            "select (not (id = 'a')) and true from patient",
        ),
        ("select not id is null from patient", "select not (id is null) from patient"),
        ("select id = 'a' is null from patient", "select (id = 'a') is null from patient"),
        ("select id like 'a' || 'b' from patient", "select id like ('a' || 'b') from patient"),
        (
            "select resource->'a' @> '[]' from patient",
            "select (resource->'a') @> '[]' from patient",
        ),
        (
            "select resource->>'a'::text = '' from patient",
            "select (resource->>('a'::text)) = '' from patient",
        ),
        ("select true or false and false", "select true or (false and false)"),
        ("select id in ('a') = true from patient", "select (id in ('a')) = true from patient"),
        ("select id || 'a' like 'b' from patient", "select (id || 'a') like 'b' from patient"),
        (
            "select resource @> '{}' = true from patient",
            "select (resource @> '{}') = true from patient",
        ),
    ] {
        assert_eq!(checked(query).select, checked(same).select, "{query}");
    }
}

#[test]
fn texts_are_taken_as_postgresql_reads_them() {
    for (text, value) in [
        ("'a\\'", "a\\"),
        ("'it''s'", "it's"),
        ("$$a'\\n$$", "a'\\n"),
        ("'\"'", "\""),
        ("'\u{e9}\n'", "\u{e9}\n"),
    ] {
        let query = checked(&format!("select {text}"));
        let literal = Expression::Literal(Literal::Text(value.to_owned()));
        assert_eq!(query.select().columns, [literal], "{text}");
    }
}

#[test]
fn a_query_of_which_nothing_is_known_has_the_type_of_its_column() {
    for (query, of) in [
        ("select true", Some(ValueType::Boolean)),
        ("select 1", Some(ValueType::Integer)),
        ("select 't'", Some(ValueType::Text)),
        ("select '1'::jsonb", Some(ValueType::Json)),
        ("select 1.0", Some(ValueType::Numeric)),
        ("select null", None),
        ("select {{uri}}", Some(ValueType::Text)),
    ] {
        assert_eq!(checked(query).column_type(), of, "{query}");
    }
}
