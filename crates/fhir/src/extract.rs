//! The values by which a resource is found: what each search parameter selects in it.

mod reader;

use std::collections::{BTreeMap, HashSet};
use std::sync::{LazyLock, OnceLock};

use serde_json::{Map, Value};

use self::reader::Reader;
use crate::definitions::{ParameterType, SearchParameter};
use crate::path::{self, PathResult, Route};
use crate::{Definitions, ResourceType, Target, TimeRange};

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
    /// A number, or a Range: where it begins and ends (equal for a number). An open end is
    /// `f64::MIN` or `f64::MAX`, and so is the open side of a comparator (`<`, `>`).
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
///
/// Composite and special parameters have none. What cannot be read (a date that is none) has no
/// value, and neither has a resource inside this one: it is not stored by its own id, and a
/// stranger could store one under that id.
pub fn extract(of: ResourceType, resource: &Map<String, Value>, base_url: &str) -> Vec<Extracted> {
    let mut extracted = Vec::new();
    let mut values = Vec::new();
    for selector in selectors(of) {
        selector.select(resource, base_url, &mut values);
        remove_repetitions(&mut values);
        let parameter = selector.parameter;
        extracted.extend(values.drain(..).map(|value| Extracted { parameter, value }));
    }
    extracted
}

/// A search parameter, ready to be applied.
struct Selector {
    parameter: &'static SearchParameter,
    routes: Vec<(Route, Reader)>,
    result: PathResult,
}

/// The selectors of a type, compiled when the first resource of it is read.
fn selectors(of: ResourceType) -> &'static [Selector] {
    static BY_TYPE: LazyLock<BTreeMap<ResourceType, OnceLock<Vec<Selector>>>> =
        LazyLock::new(|| ResourceType::all().map(|of| (of, OnceLock::new())).collect());
    BY_TYPE.get(&of).map_or(&[], |selectors| {
        selectors.get_or_init(|| {
            let parameters = Definitions::get().search_parameters(of);
            parameters.iter().filter_map(Selector::of).collect()
        })
    })
}

impl Selector {
    /// `None` for parameters that have no values of their own.
    fn of(parameter: &'static SearchParameter) -> Option<Self> {
        let tables = Definitions::get().elements();
        let root = parameter.resource_type.name();
        let path = path::compile(tables, root, &parameter.expression).ok()?;
        let readable = path.routes.into_iter().filter_map(|route| {
            let type_name = tables.type_name(route.content);
            let reader = match path.result {
                PathResult::Values => reader::reader(parameter.kind, type_name)?,
                PathResult::Truth => reader::reader(ParameterType::Token, "boolean")?,
            };
            Some((route, reader))
        });
        let routes: Vec<_> = readable.collect();
        (!routes.is_empty()).then_some(Self { parameter, routes, result: path.result })
    }

    fn select(&self, resource: &Map<String, Value>, base_url: &str, values: &mut Vec<IndexValue>) {
        match self.result {
            PathResult::Values => {
                for (route, reader) in &self.routes {
                    route.select(resource, &mut |value| reader(value, base_url, values));
                }
            }
            PathResult::Truth => {
                let mut holds = false;
                for (route, _) in &self.routes {
                    route.select(resource, &mut |value| holds |= *value != Value::Bool(false));
                }
                values.push(IndexValue::Token { system: None, code: holds.to_string() });
            }
        }
    }
}

fn remove_repetitions(values: &mut Vec<IndexValue>) {
    if values.len() < 2 {
        return;
    }
    let mut seen = HashSet::with_capacity(values.len());
    let is_first: Vec<bool> = values.iter().map(|value| seen.insert(key(value))).collect();
    let mut is_first = is_first.into_iter();
    values.retain(|_| is_first.next().unwrap_or_default());
}

/// What makes two values of one parameter the same.
type Key<'a> = (u8, Option<&'a str>, Option<&'a str>, Option<&'a str>, u64, u64);

fn key(value: &IndexValue) -> Key<'_> {
    match value {
        IndexValue::String(text) => (0, Some(text), None, None, 0, 0),
        IndexValue::Token { system, code } => (1, system.as_deref(), Some(code), None, 0, 0),
        IndexValue::Local(target) => {
            (2, Some(target.resource_type.name()), Some(target.id.as_str()), None, 0, 0)
        }
        IndexValue::Absolute(url) => (3, Some(url), None, None, 0, 0),
        IndexValue::Date(range) => {
            (4, None, None, None, range.low_us.cast_unsigned(), range.high_us.cast_unsigned())
        }
        IndexValue::Number { low, high } => (5, None, None, None, low.to_bits(), high.to_bits()),
        IndexValue::Quantity { low, high, system, code, unit } => {
            let (system, code, unit) = (system.as_deref(), code.as_deref(), unit.as_deref());
            (6, system, code, unit, low.to_bits(), high.to_bits())
        }
        IndexValue::Uri(uri) => (7, Some(uri), None, None, 0, 0),
    }
}

#[cfg(test)]
mod tests;
