//! Which keys of the request document a pattern can tell apart.

use super::pattern::Pattern;
use crate::document::Keys;

/// The keys that the pattern of a document looks at. Every other key may be absent without
/// changing what it says.
pub(super) fn keys(pattern: &Pattern) -> Keys {
    of_document(pattern)
}

fn of_document(pattern: &Pattern) -> Keys {
    match pattern {
        Pattern::Members(members) => {
            union(members.iter().map(|(name, pattern)| Keys::of(name).with(of_value(pattern))))
        }
        Pattern::All(inner) | Pattern::OneOf(inner) => union(inner.iter().map(of_document)),
        Pattern::Not(inner) => of_document(inner),
        // The document is a map that is never absent, no list and no reference.
        Pattern::Absent
        | Pattern::Present
        | Pattern::NotBlank
        | Pattern::Literal(_)
        | Pattern::Enum(_)
        | Pattern::Expression(_)
        | Pattern::Length(_) => Keys::NONE,
        Pattern::Items(_)
        | Pattern::Contains(_)
        | Pattern::Every(_)
        | Pattern::PresentAll(_)
        | Pattern::Reference(_)
        | Pattern::Sent(_)
        | Pattern::OneOfSent(_) => Keys::ALL,
    }
}

/// The keys that paths in the pattern of some other value lead into.
fn of_value(pattern: &Pattern) -> Keys {
    match pattern {
        Pattern::Sent(path) | Pattern::OneOfSent(path) => Keys::of(path.key()),
        Pattern::Members(members) => union(members.iter().map(|(_, pattern)| of_value(pattern))),
        Pattern::Items(inner)
        | Pattern::All(inner)
        | Pattern::OneOf(inner)
        | Pattern::PresentAll(inner) => union(inner.iter().map(of_value)),
        Pattern::Not(inner)
        | Pattern::Contains(inner)
        | Pattern::Every(inner)
        | Pattern::Reference(inner) => of_value(inner),
        Pattern::Absent
        | Pattern::Present
        | Pattern::NotBlank
        | Pattern::Literal(_)
        | Pattern::Enum(_)
        | Pattern::Expression(_)
        | Pattern::Length(_) => Keys::NONE,
    }
}

fn union(keys: impl Iterator<Item = Keys>) -> Keys {
    keys.fold(Keys::NONE, Keys::with)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::compiler::compile;
    use super::*;
    use crate::element_path::ElementPath;

    #[test]
    fn a_pattern_looks_at_what_it_names_and_where_its_paths_lead() {
        let named =
            |names: &[&str]| names.iter().fold(Keys::NONE, |keys, name| keys.with(Keys::of(name)));
        for (pattern, expected) in [
            (json!({}), Keys::NONE),
            (json!({"user": "present?", "nothing": 1}), named(&["user"])),
            (json!({"params": {"a": {"$contains": ".jwt.sub"}}}), named(&["params", "jwt"])),
            (
                json!({"$one-of": [{"uri": "/a"}, {"$not": {"client": "nil?"}}]}),
                named(&["uri", "client"]),
            ),
            (json!({"user": {"$one-of": ".token.ids"}}), named(&["user", "token"])),
            (json!({"$not": ".user"}), Keys::ALL),
            (json!({"$one-of": ".role"}), Keys::ALL),
        ] {
            let compiled = compile(&pattern, &ElementPath::of("x")).unwrap();
            assert_eq!(keys(&compiled), expected, "{pattern}");
        }
    }
}
