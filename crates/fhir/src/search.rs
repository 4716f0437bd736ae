//! A search, read from its parameters (<https://hl7.org/fhir/R4/search.html>).

mod chain;
mod criterion;
mod include;
mod number;
mod page;
mod parse;
mod sort;
mod text;
mod value;
mod written;

pub(crate) use page::count;
pub use parse::{Handling, ParseSearch};
pub use text::escape;
pub use value::{
    DateComparison, NumberComparison, Prefix, QuantityComparison, ReferenceValue, StringMatch,
    TokenValue,
};
pub use written::conjunction_text;

use crate::definitions::SearchParameter;
use crate::{Id, Issue, ResourceType};

/// What a search asks for. It can be compared, hashed and shown, and says nothing of who asks.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchQuery {
    /// The type searched.
    pub resource_type: ResourceType,
    /// All of these must hold.
    pub criteria: Vec<Criterion>,
    /// The order; by creation when empty. Creation breaks ties, in the last key's direction.
    pub sort: Vec<SortKey>,
    /// Resources on a page. Zero asks for the total alone.
    pub count: u32,
    /// Whether the total is asked for.
    pub total: TotalMode,
    /// Where the page begins: the text that the last page's link carried, read by the store.
    pub cursor: Option<String>,
    /// What is added to the matches.
    pub includes: Vec<Include>,
    /// The parameters that apply, as they were sent and in their order: for links and for the
    /// policies' `params`.
    pub applied: Vec<(String, String)>,
    /// The parameters that were left out of account, and why: told in the answer.
    pub ignored: Vec<Issue>,
}

impl SearchQuery {
    /// Every resource of a type, in the default order.
    pub fn all(resource_type: ResourceType) -> Self {
        Self {
            resource_type,
            criteria: Vec::new(),
            sort: Vec::new(),
            count: crate::limits::PAGE_ENTRIES_DEFAULT,
            total: TotalMode::None,
            cursor: None,
            includes: Vec::new(),
            applied: Vec::new(),
            ignored: Vec::new(),
        }
    }
}

/// One condition of a search; its values are alternatives.
#[derive(Clone, Debug, PartialEq)]
pub enum Criterion {
    /// `_id`.
    Id(Vec<Id>),
    /// `_lastUpdated`.
    LastUpdated(Vec<DateComparison>),
    /// `:missing`: whether the resource has no value for the parameter.
    Missing {
        /// Of which parameter.
        parameter: &'static SearchParameter,
        /// `true` for resources without a value.
        missing: bool,
    },
    /// A parameter of type string.
    String {
        /// Which.
        parameter: &'static SearchParameter,
        /// How a value is compared.
        how: StringMatch,
        /// The alternatives, as sent; the store folds them.
        values: Vec<String>,
    },
    /// A parameter of type token.
    Token {
        /// Which.
        parameter: &'static SearchParameter,
        /// `:not`: resources with none of the values, those without any included.
        negated: bool,
        /// The alternatives.
        values: Vec<TokenValue>,
    },
    /// A parameter of type reference.
    Reference {
        /// Which.
        parameter: &'static SearchParameter,
        /// The alternatives.
        values: Vec<ReferenceValue>,
    },
    /// A parameter of type date.
    Date {
        /// Which.
        parameter: &'static SearchParameter,
        /// The alternatives.
        values: Vec<DateComparison>,
    },
    /// A parameter of type number.
    Number {
        /// Which.
        parameter: &'static SearchParameter,
        /// The alternatives.
        values: Vec<NumberComparison>,
    },
    /// A parameter of type quantity.
    Quantity {
        /// Which.
        parameter: &'static SearchParameter,
        /// The alternatives.
        values: Vec<QuantityComparison>,
    },
    /// A parameter of type uri, compared whole.
    Uri {
        /// Which.
        parameter: &'static SearchParameter,
        /// The alternatives.
        values: Vec<String>,
    },
    /// A chained parameter: the resource refers to one that meets the criteria
    /// (<https://hl7.org/fhir/R4/search.html#chaining>).
    Chain {
        /// The parameter of type reference.
        parameter: &'static SearchParameter,
        /// The types that are followed, with what a current resource of that type must meet: all
        /// of it.
        targets: Vec<(ResourceType, Vec<Criterion>)>,
    },
    /// `_has`: a current resource that refers to this one meets the criteria
    /// (<https://hl7.org/fhir/R4/search.html#has>).
    Has {
        /// The type that refers.
        source: ResourceType,
        /// Its parameter of type reference.
        parameter: &'static SearchParameter,
        /// What the referring resource must meet: all of it.
        criteria: Vec<Criterion>,
    },
    /// One of these conjunctions holds. An empty one holds for every resource; none at all, for no
    /// resource.
    Any(Vec<Vec<Criterion>>),
}

/// What is added to the matches of a search (<https://hl7.org/fhir/R4/search.html#include>).
#[derive(Clone, Debug, PartialEq)]
pub struct Include {
    /// `_include` adds what a resource refers to, `_revinclude` what refers to it.
    pub direction: Direction,
    /// The type whose references are followed: of the matches for `_include`, of what is added for
    /// `_revinclude`.
    pub source: ResourceType,
    /// The parameters of type reference that are followed; all of the type's, for `*`.
    pub parameters: Vec<&'static SearchParameter>,
    /// Only references to this type.
    pub target: Option<ResourceType>,
    /// `:iterate`: what was included is followed as well.
    pub iterate: bool,
}

/// Which way an include goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `_include`.
    Forward,
    /// `_revinclude`.
    Reverse,
}

/// One key of `_sort`.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    /// What is compared.
    pub by: SortBy,
    /// `-`: the greatest first. Resources without a value come last either way.
    pub descending: bool,
}

/// What a sort compares.
#[derive(Clone, Debug, PartialEq)]
pub enum SortBy {
    /// `_id`.
    Id,
    /// `_lastUpdated`.
    LastUpdated,
    /// The smallest value of the parameter (the greatest when descending).
    Parameter(&'static SearchParameter),
    /// A parameter of what the resource refers to: the smallest value (the greatest when
    /// descending) among those of the current targets that meet the criteria.
    Through {
        /// The parameter of type reference.
        parameter: &'static SearchParameter,
        /// The type that is followed.
        target: ResourceType,
        /// What a target must meet: all of it.
        criteria: Vec<Criterion>,
        /// The target's parameter.
        by: &'static SearchParameter,
    },
}

/// `_total` (<https://hl7.org/fhir/R4/search.html#total>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotalMode {
    /// Only when it costs nothing: the first page holds every match.
    None,
    /// Counted. An estimate is asked for by the same name and is exact here.
    Accurate,
}
