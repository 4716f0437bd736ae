//! The values that search parameters are compared with.

use crate::{Id, ResourceType, TimeRange};

/// How an ordered value is compared (<https://hl7.org/fhir/R4/search.html#prefix>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the specification's own two letters")]
pub enum Prefix {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Sa,
    Eb,
    Ap,
}

impl Prefix {
    /// Splits a value into its prefix (`eq` when there is none) and the rest.
    pub fn split(value: &str) -> (Self, &str) {
        const ALL: [(&str, Prefix); 9] = [
            ("eq", Prefix::Eq),
            ("ne", Prefix::Ne),
            ("gt", Prefix::Gt),
            ("lt", Prefix::Lt),
            ("ge", Prefix::Ge),
            ("le", Prefix::Le),
            ("sa", Prefix::Sa),
            ("eb", Prefix::Eb),
            ("ap", Prefix::Ap),
        ];
        ALL.iter()
            .find_map(|(text, prefix)| value.strip_prefix(text).map(|rest| (*prefix, rest)))
            .unwrap_or((Self::Eq, value))
    }
}

/// A date to compare with. For `ap` the stretch is already widened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DateComparison {
    /// How.
    pub prefix: Prefix,
    /// The stretch of time that the sent date names.
    pub range: TimeRange,
}

/// A number to compare with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NumberComparison {
    /// How.
    pub prefix: Prefix,
    /// The number as sent: what `gt lt ge le sa eb` compare with.
    pub value: f64,
    /// Where the numbers begin that round to it at the precision it was sent in, or that are
    /// about it (`ap`): what `eq ne ap` compare with. `80` is [79.5, 80.5).
    pub low: f64,
    /// Where they end.
    pub high: f64,
}

/// A quantity to compare with: `number`, `number|system|code` or `number||code`.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantityComparison {
    /// The number.
    pub number: NumberComparison,
    /// The system that the unit's code must be of.
    pub system: Option<String>,
    /// The unit: its code, or without a system also its text.
    pub code: Option<String>,
}

/// How a string is compared. Case and accents count in `Exact` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StringMatch {
    /// It begins with the value.
    Start,
    /// `:contains`: the value is somewhere in it.
    Contains,
    /// `:exact`.
    Exact,
}

/// A token to compare with (<https://hl7.org/fhir/R4/search.html#token>).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TokenValue {
    /// `code`: in any system or none.
    Code(String),
    /// `system|code`.
    SystemCode(String, String),
    /// `|code`: without a system.
    NoSystemCode(String),
    /// `system|`: any code of it.
    System(String),
}

/// A reference to compare with (<https://hl7.org/fhir/R4/search.html#reference>).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReferenceValue {
    /// `id`: of any of these types, the parameter's targets.
    Id(Vec<ResourceType>, Id),
    /// `Type/id`, or the same below the server's base. Versions are not compared.
    Target(crate::Target),
    /// An absolute URL of another base, a `urn:`, or a canonical URL, compared whole; a canonical
    /// without a version matches every version.
    Absolute(String),
}
