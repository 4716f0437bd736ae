//! Whether a version meets the criteria of a search, by its packed values: what the index finds is
//! decided here (<https://hl7.org/fhir/R4/search.html>).

use firewarden_fhir::search::{
    Criterion, DateComparison, NumberComparison, Prefix, QuantityComparison, ReferenceValue,
    StringMatch, TokenValue,
};
use firewarden_fhir::{Id, ResourceType, TimeRange, Timestamp};

use crate::fold::fold;
use crate::packed::{ParameterCode, Unit, Value};

/// What is known of a version.
pub(crate) struct Candidate<'a> {
    pub resource_type: ResourceType,
    pub id: &'a str,
    pub updated: Timestamp,
    pub values: &'a [(ParameterCode, Value<'a>)],
}

impl<'a> Candidate<'a> {
    /// Its values of a parameter.
    pub(crate) fn of(&self, parameter: Option<ParameterCode>) -> impl Iterator<Item = &Value<'a>> {
        self.values.iter().filter(move |(code, _)| Some(*code) == parameter).map(|(_, v)| v)
    }

    /// The ids of the resources of a type that it refers to by a parameter.
    pub(crate) fn references(
        &self,
        parameter: Option<ParameterCode>,
        to: ResourceType,
    ) -> impl Iterator<Item = &'a str> {
        self.of(parameter).filter_map(move |value| match value {
            Value::Local { resource_type, id } if *resource_type == to.name() => Some(*id),
            Value::Local { .. }
            | Value::String(_)
            | Value::Token { .. }
            | Value::Absolute(_)
            | Value::Date(_)
            | Value::Number { .. }
            | Value::Quantity { .. }
            | Value::Uri(_) => None,
        })
    }
}

/// A criterion that the values of the candidate alone decide, ready for many candidates.
pub(crate) struct Comparison<'q> {
    pub criterion: &'q Criterion,
    /// The parameter's number; no version has values of one that has none.
    pub parameter: Option<ParameterCode>,
    /// The alternatives of a string, folded.
    pub folded: Vec<String>,
}

impl<'q> Comparison<'q> {
    pub(crate) fn new(criterion: &'q Criterion, parameter: Option<ParameterCode>) -> Self {
        let folded = match criterion {
            Criterion::String { values, .. } => values.iter().map(|v| fold(v)).collect(),
            Criterion::Id(_)
            | Criterion::LastUpdated(_)
            | Criterion::Missing { .. }
            | Criterion::Token { .. }
            | Criterion::Reference { .. }
            | Criterion::Date { .. }
            | Criterion::Number { .. }
            | Criterion::Quantity { .. }
            | Criterion::Uri { .. }
            | Criterion::Chain { .. }
            | Criterion::Has { .. }
            | Criterion::Any(_) => Vec::new(),
        };
        Self { criterion, parameter, folded }
    }

    /// Whether the candidate meets it.
    pub(crate) fn holds(&self, candidate: &Candidate<'_>) -> bool {
        let mut values = candidate.of(self.parameter);
        match self.criterion {
            Criterion::Id(ids) => ids.iter().map(Id::as_str).any(|id| id == candidate.id),
            Criterion::LastUpdated(comparisons) => {
                let updated = TimeRange::of_instant(candidate.updated);
                comparisons.iter().any(|c| date_holds(c, updated))
            }
            Criterion::Missing { missing, .. } => values.next().is_none() == *missing,
            Criterion::String { how, values: sought, .. } => {
                values.any(|v| string_holds(v, *how, sought, &self.folded))
            }
            Criterion::Token { negated, values: sought, .. } => {
                values.any(|v| sought.iter().any(|s| token_holds(v, s))) != *negated
            }
            Criterion::Reference { values: sought, .. } => {
                values.any(|v| sought.iter().any(|s| reference_holds(v, s)))
            }
            Criterion::Date { values: sought, .. } => values.any(
                |v| matches!(v, Value::Date(range) if sought.iter().any(|s| date_holds(s, *range))),
            ),
            Criterion::Number { values: sought, .. } => values.any(|v| {
                let Value::Number { low, high } = v else { return false };
                sought.iter().any(|s| number_holds(s, *low, *high))
            }),
            Criterion::Quantity { values: sought, .. } => values.any(|v| {
                let Value::Quantity { low, high, unit } = v else { return false };
                let meets = |s: &QuantityComparison| {
                    number_holds(&s.number, *low, *high) && unit_holds(s, unit)
                };
                sought.iter().any(meets)
            }),
            Criterion::Uri { values: sought, .. } => {
                values.any(|v| matches!(v, Value::Uri(uri) if sought.iter().any(|s| s == uri)))
            }
            // These are conditions of their own.
            Criterion::Chain { .. } | Criterion::Has { .. } | Criterion::Any(_) => false,
        }
    }
}

/// A text of blanks or accents alone folds to nothing. Every text begins with nothing, and none is
/// found by it: a value that a policy binds is not to open the type.
fn string_holds(value: &Value<'_>, how: StringMatch, sought: &[String], folded: &[String]) -> bool {
    let Value::String(text) = value else { return false };
    match how {
        StringMatch::Exact => sought.iter().any(|s| s == text),
        StringMatch::Start => {
            let text = fold(text);
            folded.iter().any(|f| !f.is_empty() && text.starts_with(f.as_str()))
        }
        StringMatch::Contains => {
            let text = fold(text);
            folded.iter().any(|f| !f.is_empty() && text.contains(f.as_str()))
        }
    }
}

fn token_holds(value: &Value<'_>, sought: &TokenValue) -> bool {
    let Value::Token { system, code } = value else { return false };
    match sought {
        TokenValue::Code(c) => c == code,
        TokenValue::SystemCode(s, c) => c == code && *system == Some(s),
        TokenValue::NoSystemCode(c) => c == code && system.is_none(),
        TokenValue::System(s) => *system == Some(s),
    }
}

fn reference_holds(value: &Value<'_>, sought: &ReferenceValue) -> bool {
    match (value, sought) {
        (Value::Local { resource_type, id }, ReferenceValue::Id(types, i)) => {
            i.as_str() == *id && types.iter().any(|t| t.name() == *resource_type)
        }
        (Value::Local { resource_type, id }, ReferenceValue::Target(target)) => {
            target.id.as_str() == *id && target.resource_type.name() == *resource_type
        }
        (Value::Absolute(url), ReferenceValue::Absolute(sought)) => {
            let version = url.strip_prefix(sought.as_str());
            version.is_some_and(|v| v.is_empty() || (v.starts_with('|') && !sought.contains('|')))
        }
        _ => false,
    }
}

pub(crate) fn date_holds(sought: &DateComparison, value: TimeRange) -> bool {
    let range = sought.range;
    let within = range.low_us <= value.low_us && value.high_us <= range.high_us;
    match sought.prefix {
        Prefix::Eq => within,
        Prefix::Ne => !within,
        Prefix::Gt => value.high_us > range.high_us,
        Prefix::Lt => value.low_us < range.low_us,
        Prefix::Ge => value.high_us > range.high_us || within,
        Prefix::Le => value.low_us < range.low_us || within,
        Prefix::Sa => value.low_us >= range.high_us,
        Prefix::Eb => value.high_us <= range.low_us,
        Prefix::Ap => value.low_us < range.high_us && value.high_us > range.low_us,
    }
}

pub(crate) fn number_holds(sought: &NumberComparison, low: f64, high: f64) -> bool {
    let within = low >= sought.low && high < sought.high;
    match sought.prefix {
        Prefix::Eq => within,
        Prefix::Ne => !within,
        Prefix::Gt => high > sought.value,
        Prefix::Lt => low < sought.value,
        Prefix::Ge => high >= sought.value,
        Prefix::Le => low <= sought.value,
        Prefix::Sa => low > sought.value,
        Prefix::Eb => high < sought.value,
        Prefix::Ap => low < sought.high && high >= sought.low,
    }
}

fn unit_holds(sought: &QuantityComparison, unit: &Unit<'_>) -> bool {
    let system = sought.system.as_deref();
    let code = sought.code.as_deref();
    (system.is_none() || unit.system == system)
        && (code.is_none() || unit.code == code || (system.is_none() && unit.text == code))
}
