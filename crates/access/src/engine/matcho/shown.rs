//! A pattern as its author would write it.

use serde_json::{Map, Value, json};

use super::pattern::Pattern;
use super::sent_path::SentPath;

/// The pattern, written out.
pub(super) fn shown(pattern: &Pattern) -> Value {
    let each = |inner: &[Pattern]| inner.iter().map(shown).collect::<Value>();
    match pattern {
        Pattern::Absent => "nil?".into(),
        Pattern::Present => "present?".into(),
        Pattern::NotBlank => "not-blank?".into(),
        Pattern::Literal(literal) => literal.clone(),
        Pattern::Expression(expression) => format!("#{}", expression.text()).into(),
        Pattern::Sent(path) => path_text(path).into(),
        Pattern::Items(inner) => each(inner),
        Pattern::Members(members) => {
            let shown = members.iter().map(|(name, inner)| (name.clone(), shown(inner)));
            Value::Object(shown.collect())
        }
        Pattern::All(inner) => {
            let mut all = Map::new();
            for inner in inner.iter().map(shown) {
                if let Value::Object(members) = inner {
                    all.extend(members);
                }
            }
            Value::Object(all)
        }
        Pattern::Enum(literals) => json!({"$enum": literals}),
        Pattern::OneOf(inner) => json!({"$one-of": each(inner)}),
        Pattern::OneOfSent(path) => json!({"$one-of": path_text(path)}),
        Pattern::Not(inner) => json!({"$not": shown(inner)}),
        Pattern::Contains(inner) => json!({"$contains": shown(inner)}),
        Pattern::Every(inner) => json!({"$every": shown(inner)}),
        Pattern::PresentAll(inner) => json!({"$present-all": each(inner)}),
        Pattern::Length(length) => json!({"$length": length}),
        Pattern::Reference(inner) => json!({"$reference": shown(inner)}),
    }
}

fn path_text(path: &SentPath) -> String {
    format!(".{}", path.steps().join("."))
}
