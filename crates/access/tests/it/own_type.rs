//! Checks at save, case by case: the resource, and what is said of it in a reviewed snapshot.

use std::cell::RefCell;
use std::fmt::Write;

use firewarden_access::own_type;
use firewarden_fhir::{Issue, ResourceType, Severity};
use serde_json::{Value, json};

use crate::cases;

/// An issue in one line: severity, code, where, and what is wrong.
fn line(issue: &Issue) -> String {
    let at = issue.expression.as_deref().unwrap_or("-");
    format!("{} {} {at}: {}", issue.severity.code(), issue.code, issue.diagnostics)
}

fn told(name: &str, case: &Value) -> String {
    let resource = cases::object(&case["resource"]);
    let of = ResourceType::parse(case["type"].as_str().unwrap_or("AccessPolicy")).unwrap();
    let (issues, is_saved) = match own_type::check(of, &resource) {
        Ok(warnings) => (warnings, true),
        Err(errors) => (errors, false),
    };
    let has_errors = issues.iter().any(|issue| issue.severity == Severity::Error);
    assert_eq!(is_saved, !has_errors, "{name}");
    let mut text = format!("{name}: {}\n", if is_saved { "saved" } else { "refused" });
    for issue in &issues {
        assert!(!issue.diagnostics.ends_with('.'), "{name}: {}", issue.diagnostics);
        assert!(issue.expression.is_some(), "{name}: {}", issue.diagnostics);
        writeln!(text, "  {}", line(issue)).unwrap();
    }
    text
}

#[test]
fn own_types_are_checked_as_the_snapshot_says() {
    let all = RefCell::new(String::new());
    cases::each_case("own_type", |name, case| all.borrow_mut().push_str(&told(name, case)));
    insta::assert_snapshot!(all.into_inner());
}

#[test]
fn other_types_are_not_looked_at() {
    for of in ["Patient", "TokenIntrospector"] {
        let content = cases::object(&json!({"engine": 1}));
        let checked = own_type::check(ResourceType::parse(of).unwrap(), &content);
        assert_eq!(checked, Ok(Vec::new()), "{of}");
    }
}
