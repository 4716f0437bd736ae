//! Where in an own type's content an issue is, written as `expression` tells it.

use std::fmt;

/// A path like `AccessPolicy.schema.properties['resource/type'].enum[0]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ElementPath(String);

impl ElementPath {
    /// The resource itself.
    pub(crate) fn of(resource_type: &str) -> Self {
        Self(resource_type.to_owned())
    }

    /// The member of that name.
    pub(crate) fn member(&self, name: &str) -> Self {
        let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '$' | '_' | '-'));
        if plain { Self(format!("{self}.{name}")) } else { Self(format!("{self}['{name}']")) }
    }

    /// The item of that index.
    pub(crate) fn item(&self, index: usize) -> Self {
        Self(format!("{self}[{index}]"))
    }
}

impl fmt::Display for ElementPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ElementPath> for String {
    fn from(path: ElementPath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_shows_members_and_items() {
        let path = ElementPath::of("AccessPolicy").member("schema").member("resource/type").item(1);
        assert_eq!(path.to_string(), "AccessPolicy.schema['resource/type'][1]");
        assert_eq!(ElementPath::of("A").member("query-string").to_string(), "A.query-string");
    }
}
