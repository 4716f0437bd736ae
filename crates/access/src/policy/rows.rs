//! The rows that a policy's grant is limited to, type by type.

mod criteria;
mod shape;
mod template;

use std::collections::BTreeMap;

use firewarden_fhir::search::Criterion;
use firewarden_fhir::{Issue, ResourceType, Timestamp};
use serde_json::Value;

use self::criteria::RowCriteria;
use crate::document::{Keys, RequestDocument};
use crate::element_path::ElementPath;
use crate::nearest::suggestion;

/// The value that stands for every row of a type.
const EVERY: &str = "*";

/// `rows` of a policy, compiled.
#[derive(Debug)]
pub(crate) struct PolicyRows {
    // INVARIANT: not empty.
    types: BTreeMap<ResourceType, RowsOfType>,
}

#[derive(Debug)]
enum RowsOfType {
    Every,
    Matching(RowCriteria),
}

/// The rows of one type that a policy gives to one request.
#[derive(Debug, PartialEq)]
pub(crate) enum GivenRows {
    /// None: it does not list the type, or the request lacks a value.
    Nothing,
    /// Those that meet all of the criteria.
    Matching(Vec<Criterion>),
    /// Every row.
    Everything,
}

/// What criteria are read against when a request is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadAgainst<'a> {
    pub(crate) base_url: &'a str,
    pub(crate) now: Timestamp,
}

impl PolicyRows {
    /// Reads and checks `rows`.
    pub(crate) fn read(value: &Value, at: &ElementPath) -> Result<Self, Vec<Issue>> {
        let Some(members) = value.as_object().filter(|members| !members.is_empty()) else {
            let told = "`rows` is an object of types with search criteria, such as \
                        `{Observation: \"subject=Patient/1\"}`, with one type or more";
            return Err(vec![Issue::error("structure", told).at(at.clone())]);
        };
        let mut types = BTreeMap::new();
        let mut errors = Vec::new();
        for (name, value) in members {
            match of_type(name, value) {
                Ok((of, rows)) => drop(types.insert(of, rows)),
                Err(issue) => errors.push(issue.at(at.member(name))),
            }
        }
        if errors.is_empty() { Ok(Self { types }) } else { Err(errors) }
    }

    /// Whether the type is listed: without it the policy grants nothing of the type.
    pub(crate) fn lists(&self, of: ResourceType) -> bool {
        self.types.contains_key(&of)
    }

    /// The types that are listed.
    pub(crate) fn types(&self) -> impl Iterator<Item = ResourceType> {
        self.types.keys().copied()
    }

    /// Whether it is every row of the type, as `"*"`.
    pub(crate) fn is_every(&self, of: ResourceType) -> bool {
        matches!(self.types.get(&of), Some(RowsOfType::Every))
    }

    /// The first type that is listed with every row.
    pub(crate) fn first_every(&self) -> Option<ResourceType> {
        self.types.keys().copied().find(|of| self.is_every(*of))
    }

    /// The keys of the document that the rows of a type look at.
    pub(crate) fn keys(&self, of: ResourceType) -> Keys {
        match self.types.get(&of) {
            Some(RowsOfType::Matching(criteria)) => criteria.keys(),
            Some(RowsOfType::Every) | None => Keys::NONE,
        }
    }

    /// The rows of a type that a request with this document is given.
    pub(crate) fn of(
        &self,
        of: ResourceType,
        document: &RequestDocument,
        against: ReadAgainst<'_>,
    ) -> GivenRows {
        match self.types.get(&of) {
            None => GivenRows::Nothing,
            Some(RowsOfType::Every) => GivenRows::Everything,
            Some(RowsOfType::Matching(criteria)) => {
                criteria.of(document, against).map_or(GivenRows::Nothing, GivenRows::Matching)
            }
        }
    }
}

fn of_type(name: &str, value: &Value) -> Result<(ResourceType, RowsOfType), Issue> {
    let Some(of) = ResourceType::parse(name) else {
        let known: Vec<&str> = ResourceType::all().map(ResourceType::name).collect();
        let told = format!("there is no type `{name}`{}", suggestion(name, &known));
        return Err(Issue::error("value", told));
    };
    let Some(text) = value.as_str() else {
        let told = "the rows of a type are a text: search criteria, or `*` for every row";
        return Err(Issue::error("structure", told));
    };
    if text == EVERY {
        return Ok((of, RowsOfType::Every));
    }
    RowCriteria::read(of, text).map(|criteria| (of, RowsOfType::Matching(criteria)))
}
