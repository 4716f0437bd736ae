//! The order of a search's matches, and where in it a page begins.

use std::cmp::Ordering;

use firewarden_fhir::definitions::{ParameterType, SearchParameter};
use firewarden_fhir::search::{SearchQuery, SortBy, SortKey};

use crate::StoreError;
use crate::cursor::{self, Part};
use crate::fold::{cut, fold};
use crate::limits::SORT_TEXT_BYTES_MAX;
use crate::matches::Candidate;
use crate::packed::{ParameterCode, Value};

/// The order of a search: its sort keys, then the key of the row. Without sort keys it is that of
/// creation.
pub(crate) struct Order<'q> {
    keys: Vec<(&'q SortKey, Option<ParameterCode>)>,
    purpose: String,
}

/// Where a row stands in the order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub values: Vec<Part>,
    pub key: i64,
}

impl<'q> Order<'q> {
    pub(crate) fn of(
        query: &'q SearchQuery,
        code: impl Fn(&SearchParameter) -> Option<ParameterCode>,
    ) -> Self {
        let mut purpose = query.resource_type.name().to_owned();
        for SortKey { by, descending } in &query.sort {
            let name = match by {
                SortBy::Id => "_id",
                SortBy::LastUpdated => "_lastUpdated",
                SortBy::Parameter(parameter) | SortBy::Through { parameter, .. } => &parameter.code,
            };
            purpose.push_str(if *descending { " -" } else { " " });
            purpose.push_str(name);
        }
        let keys = query.sort.iter().map(|key| {
            let code = match &key.by {
                SortBy::Parameter(parameter) => code(parameter),
                SortBy::Id | SortBy::LastUpdated | SortBy::Through { .. } => None,
            };
            (key, code)
        });
        Self { keys: keys.collect(), purpose }
    }

    /// Whether it is the order of creation alone.
    pub(crate) fn is_by_key(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether `_lastUpdated` alone is compared, and then whether the newest comes first.
    pub(crate) fn by_updated(&self) -> Option<bool> {
        match self.keys.as_slice() {
            [(SortKey { by: SortBy::LastUpdated, descending }, _)] => Some(*descending),
            _ => None,
        }
    }

    /// The parameter of type date, number or quantity that alone is compared, and whether the
    /// greatest come first.
    pub(crate) fn by_beginning(&self) -> Option<(ParameterType, ParameterCode, bool)> {
        match self.keys.as_slice() {
            [(SortKey { by: SortBy::Parameter(parameter), descending }, Some(code))] => {
                Some((parameter.kind, *code, *descending))
            }
            _ => None,
        }
    }

    /// Where the candidate of that key stands.
    pub(crate) fn place(&self, key: i64, candidate: &Candidate<'_>) -> Place {
        let values = self.keys.iter().map(|(sort, code)| match &sort.by {
            SortBy::Id => Part::Text(candidate.id.to_owned()),
            SortBy::LastUpdated => Part::Integer(candidate.updated.as_millisecond()),
            SortBy::Parameter(_) => {
                let values = candidate.of(*code).map(part);
                let chosen =
                    if sort.descending { values.max_by(order) } else { values.min_by(order) };
                chosen.unwrap_or(Part::Missing)
            }
            SortBy::Through { .. } => Part::Missing,
        });
        Place { values: values.collect(), key }
    }

    /// Compares two places.
    pub(crate) fn compare(&self, a: &Place, b: &Place) -> Ordering {
        let directed = |ordering: Ordering, descending: bool| {
            if descending { ordering.reverse() } else { ordering }
        };
        let pairs = self.keys.iter().zip(a.values.iter().zip(&b.values));
        for ((sort, _), pair) in pairs {
            let ordering = match pair {
                (Part::Missing, Part::Missing) => Ordering::Equal,
                (Part::Missing, _) => Ordering::Greater,
                (_, Part::Missing) => Ordering::Less,
                (a, b) => directed(order(a, b), sort.descending),
            };
            if ordering.is_ne() {
                return ordering;
            }
        }
        // Ties go the way of the last key, so that an index can be walked in this order.
        let descending = self.keys.last().is_some_and(|(sort, _)| sort.descending);
        directed(a.key.cmp(&b.key), descending)
    }

    /// The cursor of the page after that place.
    pub(crate) fn cursor(&self, after: Place) -> String {
        let mut parts = after.values;
        parts.push(Part::Integer(after.key));
        cursor::encode(&self.purpose, &parts)
    }

    /// The place that a cursor names.
    pub(crate) fn after(&self, cursor: &str) -> Result<Place, StoreError> {
        let mut parts = cursor::decode(cursor, &self.purpose).ok_or(StoreError::BadCursor)?;
        match parts.pop() {
            Some(Part::Integer(key)) if parts.len() == self.keys.len() => {
                Ok(Place { values: parts, key })
            }
            _ => Err(StoreError::BadCursor),
        }
    }
}

/// What of a value is compared: of a stretch of time and a range of numbers where it begins.
fn part(value: &Value<'_>) -> Part {
    let text = |text: &str| Part::Text(cut(text, SORT_TEXT_BYTES_MAX).to_owned());
    match *value {
        Value::String(string) => text(&fold(string)),
        Value::Token { code, .. } => text(code),
        Value::Local { resource_type, id } => text(&format!("{resource_type}/{id}")),
        Value::Absolute(url) | Value::Uri(url) => text(url),
        Value::Date(range) => Part::Integer(range.low_us),
        Value::Number { low, .. } | Value::Quantity { low, .. } => Part::Real(low),
    }
}

fn order(a: &Part, b: &Part) -> Ordering {
    let rank = |part: &Part| match part {
        Part::Integer(_) => 0,
        Part::Real(_) => 1,
        Part::Text(_) => 2,
        Part::Missing => 3,
    };
    match (a, b) {
        (Part::Integer(a), Part::Integer(b)) => a.cmp(b),
        (Part::Real(a), Part::Real(b)) => a.total_cmp(b),
        (Part::Text(a), Part::Text(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}
