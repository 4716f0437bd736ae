//! A search, read from its parameters (<https://hl7.org/fhir/R4/search.html>).

mod number;
mod parse;
mod text;
mod value;

pub(crate) use parse::count;
pub use parse::{Handling, ParseSearch};
pub use value::{
    DateComparison, NumberComparison, Prefix, QuantityComparison, ReferenceValue, StringMatch,
    TokenValue,
};

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
}

/// One key of `_sort`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SortKey {
    /// What is compared.
    pub by: SortBy,
    /// `-`: the greatest first. Resources without a value come last either way.
    pub descending: bool,
}

/// What a sort compares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SortBy {
    /// `_id`.
    Id,
    /// `_lastUpdated`.
    LastUpdated,
    /// The smallest value of the parameter (the greatest when descending).
    Parameter(&'static SearchParameter),
}

/// `_total` (<https://hl7.org/fhir/R4/search.html#total>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotalMode {
    /// Only when it costs nothing: the first page holds every match.
    None,
    /// Counted. An estimate is asked for by the same name and is exact here.
    Accurate,
}
