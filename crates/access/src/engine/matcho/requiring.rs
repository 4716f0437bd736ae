//! What a pattern requires of a request: literal equalities that it cannot hold without.

use serde_json::Value;

use super::pattern::Pattern;
use crate::engine::required::{Place, Required};

/// What the pattern of a document requires, by a text, an `$enum`, or a `$one-of` of such. Under
/// `$not`, and by an expression or a path, nothing is required.
pub(super) fn required(pattern: &Pattern) -> Required {
    at(pattern, Place::Document)
}

fn at(pattern: &Pattern, place: Place) -> Required {
    let literals =
        |literals: &[Value]| Required::one_of(place, literals.iter().filter_map(Value::as_str));
    match pattern {
        Pattern::Literal(literal) => literals(std::slice::from_ref(literal)),
        Pattern::Enum(each) => literals(each),
        Pattern::Members(members) => {
            let inner =
                members.iter().filter_map(|(name, inner)| Some((place.member(name)?, inner)));
            Required::all(inner.map(|(place, inner)| at(inner, place)))
        }
        Pattern::All(inner) => Required::all(inner.iter().map(|inner| at(inner, place))),
        Pattern::OneOf(branches) => Required::any(branches.iter().map(|inner| at(inner, place))),
        Pattern::Absent
        | Pattern::Present
        | Pattern::NotBlank
        | Pattern::Expression(_)
        | Pattern::Sent(_)
        | Pattern::OneOfSent(_)
        | Pattern::Items(_)
        | Pattern::Not(_)
        | Pattern::Contains(_)
        | Pattern::Every(_)
        | Pattern::PresentAll(_)
        | Pattern::Length(_)
        | Pattern::Reference(_) => Required::default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::compiler::compile;
    use super::*;
    use crate::element_path::ElementPath;

    fn methods(pattern: &Value) -> Option<Vec<String>> {
        let compiled = compile(pattern, &ElementPath::of("x")).unwrap();
        required(&compiled).methods.map(|methods| methods.into_iter().collect())
    }

    #[test]
    fn a_required_equality_is_required() {
        for (pattern, expected) in [
            (json!({"request-method": "get"}), vec!["get"]),
            (json!({"request-method": {"$enum": ["get", "post"]}}), vec!["get", "post"]),
            (
                json!({"request-method": {"$one-of": ["get", {"$enum": ["put"]}]}}),
                vec!["get", "put"],
            ),
            (
                json!({"$one-of": [{"request-method": "get"}, {"request-method": "put"}]}),
                vec!["get", "put"],
            ),
            (
                json!({"request-method": {"$enum": ["get", "post"], "$not": "get"}}),
                vec!["get", "post"],
            ),
        ] {
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(methods(&pattern), Some(expected), "{pattern}");
        }
    }

    #[test]
    fn what_may_hold_without_it_requires_nothing() {
        for pattern in [
            json!({}),
            json!({"$not": {"request-method": "get"}}),
            json!({"request-method": {"$not": "get"}}),
            json!({"request-method": "#^get$"}),
            json!({"request-method": ".jwt.method"}),
            json!({"request-method": {"$one-of": ".jwt.methods"}}),
            json!({"request-method": {"$one-of": ["get", "present?"]}}),
            json!({"request-method": "present?"}),
            json!({"user": {"request-method": "get"}}),
        ] {
            assert_eq!(methods(&pattern), None, "{pattern}");
        }
    }
}
