//! YAML as another spelling of JSON: what JSON can say, and nothing that two readers read apart.

mod read;
mod scalar;
mod write;

use serde_json::Value;

/// Why a text is not acceptable YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at line {line} column {column}")]
pub struct YamlError {
    /// What is wrong, in words for the client.
    pub what: String,
    /// Line of the text, from 1.
    pub line: usize,
    /// Column of the line, from 1.
    pub column: usize,
}

/// Reads one YAML 1.2 document. Members keep their order and numbers their text, as in
/// [`crate::json::parse`].
///
/// Only lower-case `true`, `false`, `null` and `~` are more than text; timestamps are text; a
/// member's name is its text, whatever it looks like. Refused: duplicate members, anchors and
/// aliases (a few hundred bytes of them can mean gigabytes), tags, directives, merge keys, several
/// documents, names that are objects or arrays, numbers JSON cannot write (`.inf`, `0x1F`, `007`),
/// control characters, and more than [`crate::limits`] allow.
pub fn parse(bytes: &[u8]) -> Result<Value, YamlError> {
    read::document(bytes)
}

/// The value as block-style YAML that [`parse`] reads back as the same value.
///
/// Strings are quoted only where this or an older reader would take them for something else.
pub fn to_text(value: &Value) -> String {
    write::document(value)
}

#[cfg(test)]
mod tests;
