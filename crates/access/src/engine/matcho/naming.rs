//! Which resource types a pattern names: those it cannot hold without an equality with their name.

use std::collections::BTreeSet;

use firewarden_fhir::ResourceType;
use serde_json::Value;

use super::pattern::Pattern;
use crate::engine::named_type::Place;

/// The types that the pattern of a document names, by a text, an `$enum`, or a `$one-of` of such,
/// on `params.resource/type` or `uri`. Under `$not`, and by an expression or a path, nothing is
/// named.
pub(super) fn names(pattern: &Pattern) -> BTreeSet<ResourceType> {
    named(pattern, Place::Document).unwrap_or_default()
}

/// `None` when the pattern can hold without naming a type.
fn named(pattern: &Pattern, place: Place) -> Option<BTreeSet<ResourceType>> {
    match pattern {
        Pattern::Literal(literal) => literals(std::slice::from_ref(literal), place),
        Pattern::Enum(each) => literals(each, place),
        Pattern::Members(members) => {
            let inner =
                members.iter().filter_map(|(name, inner)| Some((place.member(name)?, inner)));
            some(inner.filter_map(|(place, inner)| named(inner, place)))
        }
        Pattern::All(inner) => some(inner.iter().filter_map(|inner| named(inner, place))),
        Pattern::OneOf(branches) => {
            let each: Option<Vec<_>> = branches.iter().map(|branch| named(branch, place)).collect();
            each.map(|each| each.into_iter().flatten().collect())
        }
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
        | Pattern::Reference(_) => None,
    }
}

fn literals(literals: &[Value], place: Place) -> Option<BTreeSet<ResourceType>> {
    place
        .tells_type()
        .then(|| literals.iter().filter_map(|literal| place.names(literal.as_str()?)).collect())
}

/// All that is named by those that must all hold; `None` when none of them names anything.
fn some(each: impl Iterator<Item = BTreeSet<ResourceType>>) -> Option<BTreeSet<ResourceType>> {
    each.reduce(|mut names, more| {
        names.extend(more);
        names
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::compiler::compile;
    use super::*;
    use crate::element_path::ElementPath;

    fn names_of(pattern: &Value) -> Vec<&'static str> {
        let compiled = compile(pattern, &ElementPath::of("x")).unwrap();
        names(&compiled).into_iter().map(ResourceType::name).collect()
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
