//! What a pattern requires of a request, and which types it names: literal equalities that it cannot
//! hold without.

use serde_json::Value;

use super::pattern::Pattern;
use crate::engine::equalities::Equalities;
use crate::engine::required::Place;

/// What the pattern of a document requires, by a text, an `$enum`, or a `$one-of` of such. Under
/// `$not`, and by an expression or a path, nothing is required or named.
pub(super) fn equalities(pattern: &Pattern) -> Equalities {
    at(pattern, Place::Document)
}

fn at(pattern: &Pattern, place: Place) -> Equalities {
    let literals =
        |literals: &[Value]| Equalities::one_of(place, literals.iter().filter_map(Value::as_str));
    match pattern {
        Pattern::Literal(literal) => literals(std::slice::from_ref(literal)),
        Pattern::Enum(each) => literals(each),
        Pattern::Members(members) => {
            let inner =
                members.iter().filter_map(|(name, inner)| Some((place.member(name)?, inner)));
            Equalities::all(inner.map(|(place, inner)| at(inner, place)))
        }
        Pattern::All(inner) => Equalities::all(inner.iter().map(|inner| at(inner, place))),
        Pattern::OneOf(branches) => Equalities::any(branches.iter().map(|inner| at(inner, place))),
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
        | Pattern::Reference(_) => Equalities::default(),
    }
}

#[cfg(test)]
mod tests {
    use firewarden_fhir::ResourceType;
    use serde_json::json;

    use super::super::compiler::compile;
    use super::*;
    use crate::element_path::ElementPath;

    fn methods(pattern: &Value) -> Option<Vec<String>> {
        let compiled = compile(pattern, &ElementPath::of("x")).unwrap();
        equalities(&compiled).required.methods.map(|methods| methods.into_iter().collect())
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

    fn names_of(pattern: &Value) -> Vec<&'static str> {
        let compiled = compile(pattern, &ElementPath::of("x")).unwrap();
        equalities(&compiled).names().into_iter().map(ResourceType::name).collect()
    }

    #[test]
    fn a_required_equality_names_the_type() {
        for (pattern, types) in [
            (json!({"params": {"resource/type": "User"}}), &["User"][..]),
            (
                json!({"params": {"resource/type": {"$enum": ["User", "Role", 1]}}}),
                &["Role", "User"],
            ),
            (json!({"uri": "/User/x/_history"}), &["User"]),
            (json!({"uri": "/fhir/AuditEvent"}), &["AuditEvent"]),
            (json!({"uri": {"$one-of": ["/User", {"$enum": ["/Role"]}]}}), &["Role", "User"]),
            (
                json!({"$one-of": [{"uri": "/User"}, {"params": {"resource/type": "Role"}}]}),
                &["Role", "User"],
            ),
            (json!({"user": "present?", "uri": {"$enum": ["/User"], "$not": "/User"}}), &["User"]),
        ] {
            assert_eq!(names_of(&pattern), types, "{pattern}");
        }
    }

    #[test]
    fn nothing_less_names_a_type() {
        for pattern in [
            json!({}),
            json!({"$not": {"uri": "/User"}}),
            json!({"uri": {"$not": "/User"}}),
            json!({"uri": "#^/User$"}),
            json!({"uri": ".params.resource/type"}),
            json!({"uri": {"$one-of": ".jwt.uris"}}),
            json!({"uri": {"$one-of": ["/User", "#^/User"]}}),
            json!({"uri": {"$contains": "/User"}}),
            json!({"uri": ["/User"]}),
            json!({"uri": {"$reference": "/User"}}),
            json!({"uri": "present?"}),
            json!({"$one-of": [{"uri": "/User"}, {"user": "present?"}]}),
            json!({"resource": {"resourceType": "User", "uri": "/User"}}),
            json!({"params": {"uri": "/User"}}),
        ] {
            assert_eq!(names_of(&pattern), [""; 0], "{pattern}");
        }
    }
}
