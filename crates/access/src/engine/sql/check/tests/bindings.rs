//! What values of a request are bound as.

use serde_json::json;

use super::checked;
use crate::limits::SENT_BYTES_MAX;
use crate::policy_query::{Literal, Unbound};

#[test]
fn values_of_the_request_have_the_type_that_is_asked_for() {
    let document = json!({
        "user": {"id": "u", "n": 5, "d": 1.5, "b": true, "null": null, "nul": "a\u{0}", "list": [1]},
        "params": {"n": "5", "b": "true", "d": "1.5", "resource/type": "Patient", "t": "pAtient",
                   "drop": "patient; drop table x", "own": "User", "event": "AuditEvent", "many": ["a"]},
    });
    let text = |value: &str| Ok(Literal::Text(value.to_owned()));
    for (expression, bound) in [
        ("{{user.id}} = 'a'", text("u")),
        ("{{user.id}} = {{user.id}}", text("u")),
        ("{{user.id}}::text = 'a'", text("u")),
        ("{{user.n}}::text = 'a'", text("5")),
        ("{{user.n}} = 'a'", Err("another")),
        ("{{user.b}}::text = 'a'", Err("another")),
        ("{{user.list}} = 'a'", Err("another")),
        ("{{params.many}} = 'a'", Err("another")),
        ("{{user}}::text = 'a'", Err("another")),
        ("{{user.nul}} = 'a'", Err("another")),
        ("{{user.null}} = 'a'", Err("absent")),
        ("{{user.x}} = 'a'", Err("absent")),
        ("{{user.x}} is null", Err("absent")),
        ("{{user.n}} = 5", Ok(Literal::Integer(5))),
        ("{{user.d}} = 5", Err("another")),
        ("{{params.n}} = 5", Err("another")),
        ("{{params.n}}::int = 5", Ok(Literal::Integer(5))),
        ("{{params.d}}::int = 5", Err("another")),
        ("{{user.d}} = 1.5", Ok(Literal::Numeric("1.5".into()))),
        ("{{params.d}}::numeric = 5", Ok(Literal::Numeric("1.5".into()))),
        ("{{user.id}}::numeric = 5", Err("another")),
        ("not {{user.b}}", Ok(Literal::Boolean(true))),
        ("not {{params.b}}", Err("another")),
        ("{{params.b}}::boolean", Ok(Literal::Boolean(true))),
        ("{{user.list}}::jsonb @> '[]'", Ok(Literal::Json(json!([1])))),
        ("{{user.id}}::jsonb @> '[]'", Err("another")),
        ("{{user.n}}::jsonb @> '[]'", Err("another")),
        ("jsonb_build_array({{user.id}}) @> '[]'", text("u")),
    ] {
        let read = checked(&format!("select {expression}")).bindings(&document);
        let read = read.map(|bindings| bindings.values()[0].clone().unwrap()).map_err(|unbound| {
            match unbound {
                Unbound::Absent(_) => "absent",
                Unbound::OfAnotherType(_) => "another",
                Unbound::NoTable(_) => "table",
                Unbound::TooLarge => "large",
            }
        });
        assert_eq!(read, bound, "{expression}");
    }
    for (path, table) in [
        ("params.resource/type", Some("Patient")),
        ("params.t", None),
        ("params.drop", None),
        ("params.own", None),
        ("params.event", None),
        ("params.many", None),
        ("params.none", None),
    ] {
        let read =
            checked(&format!("select true from {{{{!{path}}}}} limit 1")).bindings(&document);
        let name = read.as_ref().ok().map(|bindings| bindings.tables()[0].name());
        assert_eq!(name, table, "{path}: {read:?}");
    }
    let large = json!({"uri": "x".repeat(SENT_BYTES_MAX + 1)});
    assert_eq!(checked("select {{uri}} = 'a'").bindings(&large), Err(Unbound::TooLarge));
}
