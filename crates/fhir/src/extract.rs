//! The values by which a resource is found: what each search parameter selects in it.

use serde_json::{Map, Value};

use crate::definitions::SearchParameter;
use crate::{ResourceType, Target, TimeRange};

/// One value of one search parameter in one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Extracted {
    /// The parameter that selects it.
    pub parameter: &'static SearchParameter,
    /// The value.
    pub value: IndexValue,
}

/// A value, read for comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexValue {
    /// A text, as it stands; the store folds it.
    String(String),
    /// A code and its system; `None` for an absent system.
    Token {
        /// The system, of a Coding or an Identifier.
        system: Option<String>,
        /// The code; empty when only a system is there.
        code: String,
    },
    /// A reference to a resource of this server, without its version.
    Local(Target),
    /// A reference to anything else: an absolute URL or a canonical, with its version.
    Absolute(String),
    /// A stretch of time.
    Date(TimeRange),
    /// A number, or a Range: where it begins and ends (equal for a number).
    Number {
        /// The least.
        low: f64,
        /// The greatest.
        high: f64,
    },
    /// A quantity, or a Range of them.
    Quantity {
        /// The least.
        low: f64,
        /// The greatest.
        high: f64,
        /// The system of the unit's code.
        system: Option<String>,
        /// The unit's code.
        code: Option<String>,
        /// The unit as text.
        unit: Option<String>,
    },
    /// A URI, as it stands.
    Uri(String),
}

/// The values of every search parameter of the type in the resource, without repetitions, in the
/// order of the parameters. `base_url` is this server's FHIR base: a reference under it is local.
pub fn extract(
    _of: ResourceType,
    _resource: &Map<String, Value>,
    _base_url: &str,
) -> Vec<Extracted> {
    Vec::new()
}
