//! FHIR R4's own definitions: elements, search parameters, compartments.

pub mod compartment;
mod elements;
mod pack;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

pub(crate) use elements::{Content, Element, ElementTables, Primitive, Shape};

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

impl ParameterType {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "number" => Self::Number,
            "date" => Self::Date,
            "string" => Self::String,
            "token" => Self::Token,
            "reference" => Self::Reference,
            "composite" => Self::Composite,
            "quantity" => Self::Quantity,
            "uri" => Self::Uri,
            "special" => Self::Special,
            _ => return None,
        })
    }
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
    /// The FHIRPath that selects its values in this resource type. Parameters of all types keep
    /// their root: `Resource.meta.tag`.
    pub expression: Box<str>,
    /// The types that a reference may point at.
    pub targets: Vec<ResourceType>,
}

impl SearchParameter {
    /// Whether it is a reference that may point at a resource of that type. One whose targets the
    /// specification leaves open may point at any.
    pub fn may_refer_to(&self, of: ResourceType) -> bool {
        self.kind == ParameterType::Reference
            && (self.targets.is_empty() || self.targets.contains(&of))
    }

    /// The types that it is followed to: its targets, or of them the one that is named.
    pub(crate) fn followed_as(&self, only: Option<ResourceType>) -> Vec<ResourceType> {
        match only {
            Some(only) if self.may_refer_to(only) => vec![only],
            Some(_) => Vec::new(),
            None => self.targets.clone(),
        }
    }
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
    elements: ElementTables,
    parameters: BTreeMap<ResourceType, &'static [SearchParameter]>,
    compartments: BTreeMap<(ResourceType, ResourceType), Vec<&'static SearchParameter>>,
}

impl Definitions {
    /// The definitions of FHIR R4 (4.0.1) and of our own types.
    pub fn get() -> &'static Self {
        #[expect(clippy::expect_used, reason = "the pack is part of the program; a test reads it")]
        static DEFINITIONS: LazyLock<Definitions> =
            LazyLock::new(|| pack::read().expect("the definitions pack is readable"));
        &DEFINITIONS
    }

    /// The search parameter of that name, of a type. Parameters of all types (`_tag`,
    /// `_profile` …) are among each type's; `_id` and `_lastUpdated` are not, they have criteria
    /// of their own.
    pub fn search_parameter(
        &self,
        of: ResourceType,
        code: &str,
    ) -> Option<&'static SearchParameter> {
        let parameters = self.search_parameters(of);
        let at = parameters.binary_search_by(|parameter| (*parameter.code).cmp(code)).ok()?;
        parameters.get(at)
    }

    /// Every search parameter of a type, ordered by code.
    pub fn search_parameters(&self, of: ResourceType) -> &'static [SearchParameter] {
        self.parameters.get(&of).copied().unwrap_or_default()
    }

    /// The reference parameters of `member` that put a resource into the compartment of the
    /// resource of type `compartment` they point at
    /// (<https://hl7.org/fhir/R4/compartmentdefinition.html>). Any one of them is enough. Empty
    /// when `member` is not in such compartments. That a resource is in its own compartment needs
    /// no parameter and is not told here.
    pub fn compartment_parameters(
        &self,
        compartment: ResourceType,
        member: ResourceType,
    ) -> &[&'static SearchParameter] {
        self.compartments.get(&(compartment, member)).map(Vec::as_slice).unwrap_or_default()
    }

    /// The types that have compartments: Device, Encounter, Patient, Practitioner, RelatedPerson.
    pub fn compartments(&self) -> impl Iterator<Item = ResourceType> {
        let mut last = None;
        self.compartments
            .keys()
            .map(|(compartment, _)| *compartment)
            .filter(move |compartment| last.replace(*compartment) != Some(*compartment))
    }

    pub(crate) fn elements(&self) -> &ElementTables {
        &self.elements
    }
}

#[cfg(test)]
mod tests;
