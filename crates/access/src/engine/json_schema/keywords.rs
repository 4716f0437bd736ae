//! The keywords of draft-07 that a rule may use, and where there are schemas in their values.

/// What the value of a keyword is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A schema for the same value.
    Schema,
    /// A schema, or a list of schemas.
    SchemaOrList,
    /// A list of schemas.
    SchemaList,
    /// An object whose members are schemas.
    SchemaMap,
    /// An object whose members are schemas or lists of names.
    Dependencies,
    /// A value that is compared with.
    Value,
    /// Words for people.
    Annotation,
}

const TABLE: &[(&str, Kind)] = &[
    ("$comment", Kind::Annotation),
    ("$ref", Kind::Value),
    ("$schema", Kind::Annotation),
    ("additionalItems", Kind::Schema),
    ("additionalProperties", Kind::Schema),
    ("allOf", Kind::SchemaList),
    ("anyOf", Kind::SchemaList),
    ("const", Kind::Value),
    ("constant", Kind::Value),
    ("contains", Kind::Schema),
    ("default", Kind::Annotation),
    ("definitions", Kind::SchemaMap),
    ("dependencies", Kind::Dependencies),
    ("description", Kind::Annotation),
    ("else", Kind::Schema),
    ("enum", Kind::Value),
    ("examples", Kind::Annotation),
    ("exclusiveMaximum", Kind::Value),
    ("exclusiveMinimum", Kind::Value),
    ("format", Kind::Value),
    ("if", Kind::Schema),
    ("items", Kind::SchemaOrList),
    ("maxItems", Kind::Value),
    ("maxLength", Kind::Value),
    ("maxProperties", Kind::Value),
    ("maximum", Kind::Value),
    ("minItems", Kind::Value),
    ("minLength", Kind::Value),
    ("minProperties", Kind::Value),
    ("minimum", Kind::Value),
    ("multipleOf", Kind::Value),
    ("not", Kind::Schema),
    ("oneOf", Kind::SchemaList),
    ("pattern", Kind::Value),
    ("patternProperties", Kind::SchemaMap),
    ("properties", Kind::SchemaMap),
    ("propertyNames", Kind::Schema),
    ("readOnly", Kind::Annotation),
    ("required", Kind::Value),
    ("then", Kind::Schema),
    ("title", Kind::Annotation),
    ("type", Kind::Value),
    ("uniqueItems", Kind::Value),
    ("writeOnly", Kind::Annotation),
];

/// What the value of that keyword is; `None` for a keyword that no rule may use.
pub(super) fn kind(keyword: &str) -> Option<Kind> {
    TABLE.iter().find(|(name, _)| *name == keyword).map(|(_, kind)| *kind)
}

/// Every keyword, for suggestions.
pub(super) fn all() -> Vec<&'static str> {
    TABLE.iter().map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_on_the_list_is_no_keyword() {
        for name in
            ["$id", "$data", "$defs", "requried", "x-note", "nullable", "contentEncoding", ""]
        {
            assert_eq!(kind(name), None, "{name}");
        }
        assert_eq!(kind("allOf"), Some(Kind::SchemaList));
        assert!(all().is_sorted());
    }
}
