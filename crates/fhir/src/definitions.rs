//! FHIR R4's own definitions: elements, search parameters, compartments.

use std::fmt;

use crate::ResourceType;

/// The type of a search parameter (<https://hl7.org/fhir/R4/valueset-search-param-type.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the specification's own names")]
pub enum ParameterType {
    Number,
    Date,
    String,
    Token,
    Reference,
    Composite,
    Quantity,
    Uri,
    Special,
}

/// A search parameter of one resource type.
pub struct SearchParameter {
    /// The type of resource it searches.
    pub resource_type: ResourceType,
    /// Its name in URLs.
    pub code: Box<str>,
    /// Its canonical URL.
    pub url: Box<str>,
    /// What kind of value it compares.
    pub kind: ParameterType,
    /// The FHIRPath that selects its values in this resource type.
    pub expression: Box<str>,
    /// The types that a reference may point at.
    pub targets: Vec<ResourceType>,
}

impl PartialEq for SearchParameter {
    fn eq(&self, other: &Self) -> bool {
        self.resource_type == other.resource_type && self.code == other.code
    }
}

impl Eq for SearchParameter {}

impl fmt::Debug for SearchParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}?{}", self.resource_type, self.code)
    }
}

/// The definitions this server works by, read once from the pack that is part of the program.
pub struct Definitions {
    _private: (),
}

impl Definitions {
    /// The definitions of FHIR R4 (4.0.1) and of our own types.
    pub fn get() -> &'static Self {
        static DEFINITIONS: Definitions = Definitions { _private: () };
        &DEFINITIONS
    }

    /// The search parameter of that name, of a type. Parameters of all types (`_tag`,
    /// `_profile` …) are among each type's; `_id` and `_lastUpdated` are not, they have criteria
    /// of their own.
    pub fn search_parameter(
        &self,
        _of: ResourceType,
        _code: &str,
    ) -> Option<&'static SearchParameter> {
        None
    }

    /// Every search parameter of a type, ordered by code.
    pub fn search_parameters(&self, _of: ResourceType) -> &'static [SearchParameter] {
        &[]
    }
}
