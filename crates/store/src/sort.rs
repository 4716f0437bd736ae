//! The order of a search's matches, and where in it a page begins.

use std::cmp::Ordering;

use firewarden_fhir::ResourceType;
use firewarden_fhir::definitions::ParameterType;
use firewarden_fhir::search::{SearchQuery, SortBy, SortKey};

use crate::StoreError;
use crate::condition::{CodeOf, OfOther, Preparer};
use crate::cursor::{self, Part};
use crate::fold::{cut, fold};
use crate::limits::SORT_TEXT_BYTES_MAX;
use crate::matches::Candidate;
use crate::packed::{ParameterCode, Value};

/// The order of a search: its sort keys, then the key of the row. Without sort keys it is that of
/// creation.
pub(crate) struct Order<'q> {
    keys: Vec<Key<'q>>,
    purpose: String,
}

struct Key<'q> {
    by: By<'q>,
    descending: bool,
}

enum By<'q> {
    Id,
    LastUpdated,
    Parameter(ParameterType, Option<ParameterCode>),
    Through(Through<'q>),
}

/// A parameter of what a resource refers to.
pub(crate) struct Through<'q> {
    pub parameter: Option<ParameterCode>,
    pub target: ResourceType,
    /// What a target must meet to count.
    pub conditions: OfOther<'q>,
    pub by: Option<ParameterCode>,
    pub descending: bool,
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
        code: &CodeOf<'_>,
        preparer: &mut Preparer<'_>,
    ) -> Result<Self, StoreError> {
        let mut order = Self { keys: Vec::new(), purpose: query.resource_type.name().to_owned() };
        for SortKey { by, descending } in &query.sort {
            let descending = *descending;
            let (by, name) = match by {
                SortBy::Id => (By::Id, "_id".to_owned()),
                SortBy::LastUpdated => (By::LastUpdated, "_lastUpdated".to_owned()),
                SortBy::Parameter(parameter) => {
                    (By::Parameter(parameter.kind, code(parameter)?), parameter.code.to_string())
                }
                SortBy::Through { parameter, target, criteria, by } => {
                    let name = format!("{}:{target}.{}", parameter.code, by.code);
                    let conditions = preparer.of_other(criteria)?;
                    let (parameter, by) = (code(parameter)?, code(by)?);
                    let through =
                        Through { parameter, target: *target, conditions, by, descending };
                    (By::Through(through), name)
                }
            };
            order.purpose.push_str(if descending { " -" } else { " " });
            order.purpose.push_str(&name);
            order.keys.push(Key { by, descending });
        }
        Ok(order)
    }

    /// Whether it is the order of creation alone.
    pub(crate) fn is_by_key(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether `_lastUpdated` alone is compared, and then whether the newest comes first.
    pub(crate) fn by_updated(&self) -> Option<bool> {
        match self.keys.as_slice() {
            [Key { by: By::LastUpdated, descending }] => Some(*descending),
            _ => None,
        }
    }

    /// The parameter of type date, number or quantity that alone is compared, and whether the
    /// greatest come first.
    pub(crate) fn by_beginning(&self) -> Option<(ParameterType, ParameterCode, bool)> {
        match self.keys.as_slice() {
            [Key { by: By::Parameter(kind, Some(code)), descending }] => {
                Some((*kind, *code, *descending))
            }
            _ => None,
        }
    }

    /// Where the candidate of that key stands. What it refers to is looked at by `through`.
    pub(crate) fn place(
        &self,
        key: i64,
        candidate: &Candidate<'_>,
        through: impl Fn(&Through<'q>) -> Result<Part, StoreError>,
    ) -> Result<Place, StoreError> {
        let value = |Key { by, descending }: &Key<'q>| {
            Ok(match by {
                By::Id => Part::Text(candidate.id.to_owned()),
                By::LastUpdated => Part::Integer(candidate.updated.as_millisecond()),
                By::Parameter(_, code) => first(candidate.of(*code).map(part), *descending),
                By::Through(by) => through(by)?,
            })
        };
        let values: Result<_, StoreError> = self.keys.iter().map(value).collect();
        Ok(Place { values: values?, key })
    }

    /// Compares two places.
    pub(crate) fn compare(&self, a: &Place, b: &Place) -> Ordering {
        let directed = |ordering: Ordering, descending: bool| {
            if descending { ordering.reverse() } else { ordering }
        };
        let pairs = self.keys.iter().zip(a.values.iter().zip(&b.values));
        for (sort, pair) in pairs {
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
        let descending = self.keys.last().is_some_and(|key| key.descending);
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

/// What comes first of several values.
pub(crate) fn first(parts: impl Iterator<Item = Part>, descending: bool) -> Part {
    let present = parts.filter(|part| *part != Part::Missing);
    let chosen = if descending { present.max_by(order) } else { present.min_by(order) };
    chosen.unwrap_or(Part::Missing)
}

/// What of a value is compared: of a stretch of time and a range of numbers where it begins.
pub(crate) fn part(value: &Value<'_>) -> Part {
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
