//! One parameter of a search, read as a criterion.

use crate::definitions::{ParameterType, SearchParameter};
use crate::search::chain::Chains;
use crate::search::number::number_comparison;
use crate::search::text::{split_unescaped, unescape};
use crate::search::{
    Criterion, DateComparison, ParseSearch, Prefix, QuantityComparison, ReferenceValue,
    StringMatch, TokenValue,
};
use crate::{Definitions, Id, Issue, Reference, ResourceType, TimeRange, limits};

/// What a parameter of a type says.
pub(super) enum Condition {
    /// A condition.
    Known(Criterion),
    /// Nothing: the type has no such parameter.
    Unknown(String),
}

impl Condition {
    /// That the type has no such parameter.
    pub(super) fn unknown(of: ResourceType, code: &str) -> Self {
        Self::Unknown(format!("`{code}` is not a search parameter of `{of}`"))
    }
}

impl ParseSearch<'_> {
    /// The condition that a parameter sets to a resource of a type: a parameter of its own, a
    /// chain, or `_has`.
    pub(super) fn condition(
        &self,
        of: ResourceType,
        name: &str,
        value: &str,
        chains: &mut Chains,
    ) -> Result<Condition, Issue> {
        if let Some(path) = name.strip_prefix("_has:") {
            return self.has(of, path, value, chains);
        }
        if let Some(link) = name.split_once('.') {
            return self.chain(of, link, value, chains);
        }
        let (code, modifier) = match name.split_once(':') {
            Some((code, modifier)) => (code, Some(modifier)),
            None => (name, None),
        };
        let criterion = match (code, modifier) {
            ("_id", None) => Criterion::Id(ids(value)?),
            ("_lastUpdated", None) => Criterion::LastUpdated(self.dates(name, value)?),
            ("_id" | "_lastUpdated", Some(_)) => {
                return Err(not_supported(name, "it has no modifiers"));
            }
            ("_has", _) => {
                return Err(not_supported(name, "it is not `_has:Type:reference:parameter`"));
            }
            _ => match Definitions::get().search_parameter(of, code) {
                Some(parameter) => self.typed(parameter, name, modifier, value)?,
                None => return Ok(Condition::unknown(of, code)),
            },
        };
        Ok(Condition::Known(criterion))
    }

    fn typed(
        &self,
        parameter: &'static SearchParameter,
        name: &str,
        modifier: Option<&str>,
        value: &str,
    ) -> Result<Criterion, Issue> {
        if modifier == Some("missing") {
            let missing = match unescape(value).as_str() {
                "true" => true,
                "false" => false,
                _ => return Err(bad_value(name, value, "`true` or `false`")),
            };
            return Ok(Criterion::Missing { parameter, missing });
        }
        let plain = |criterion: Criterion| match modifier {
            None => Ok(criterion),
            Some(_) => Err(not_supported(name, "this modifier is not served for its type")),
        };
        match parameter.kind {
            ParameterType::String => {
                let how = match modifier {
                    None => StringMatch::Start,
                    Some("contains") => StringMatch::Contains,
                    Some("exact") => StringMatch::Exact,
                    Some(_) => return plain(Criterion::Id(Vec::new())),
                };
                let values = alternatives(name, value)?.into_iter().map(unescape).collect();
                Ok(Criterion::String { parameter, how, values })
            }
            ParameterType::Token => {
                let values: Vec<_> = alternatives(name, value)?.into_iter().map(token).collect();
                match modifier {
                    None => Ok(Criterion::Token { parameter, negated: false, values }),
                    Some("not") => Ok(Criterion::Token { parameter, negated: true, values }),
                    Some(_) => plain(Criterion::Id(Vec::new())),
                }
            }
            ParameterType::Reference => self.reference(parameter, name, modifier, value),
            ParameterType::Date => {
                plain(Criterion::Date { parameter, values: self.dates(name, value)? })
            }
            ParameterType::Number => {
                let values = alternatives(name, value)?.into_iter().map(|text| {
                    number_comparison(text).ok_or_else(|| bad_value(name, text, "a number"))
                });
                plain(Criterion::Number { parameter, values: values.collect::<Result<_, _>>()? })
            }
            ParameterType::Quantity => {
                let values =
                    alternatives(name, value)?.into_iter().map(|text| quantity(name, text));
                plain(Criterion::Quantity { parameter, values: values.collect::<Result<_, _>>()? })
            }
            ParameterType::Uri => {
                let values = alternatives(name, value)?.into_iter().map(unescape).collect();
                plain(Criterion::Uri { parameter, values })
            }
            ParameterType::Composite | ParameterType::Special => {
                Err(not_supported(name, "composite and special parameters are not served"))
            }
        }
    }

    fn dates(&self, name: &str, value: &str) -> Result<Vec<DateComparison>, Issue> {
        let one = |text: &str| {
            let (prefix, date) = Prefix::split(text);
            let range = TimeRange::parse(&unescape(date))
                .ok_or_else(|| bad_value(name, text, "a date such as `2013-01-14` or `ge2013`"))?;
            let range = if prefix == Prefix::Ap { self.about(range) } else { range };
            Ok(DateComparison { prefix, range })
        };
        alternatives(name, value)?.into_iter().map(one).collect()
    }

    /// The stretch widened on both sides by a tenth of its distance from now, as the
    /// specification recommends for `ap`.
    fn about(&self, range: TimeRange) -> TimeRange {
        let now_us = self.now.as_microsecond();
        let tenth_us = now_us.saturating_sub(range.low_us).saturating_abs() / 10;
        TimeRange {
            low_us: range.low_us.saturating_sub(tenth_us),
            high_us: range.high_us.saturating_add(tenth_us),
        }
    }

    fn reference(
        &self,
        parameter: &'static SearchParameter,
        name: &str,
        modifier: Option<&str>,
        value: &str,
    ) -> Result<Criterion, Issue> {
        let only = match modifier {
            None => None,
            Some(text) => Some(
                ResourceType::parse(text)
                    .ok_or_else(|| not_supported(name, "this modifier is not served here"))?,
            ),
        };
        let types = only.map_or_else(|| parameter.targets.clone(), |only| vec![only]);
        let one = |text: &str| {
            let text = unescape(text);
            let read = match Reference::parse(&text, self.base_url) {
                Some(Reference::Local { target, .. }) => ReferenceValue::Target(target),
                Some(Reference::Absolute(url)) => ReferenceValue::Absolute(url.into()),
                Some(Reference::Contained(_)) | None => {
                    let id = Id::parse(&text).ok_or_else(|| {
                        bad_value(name, &text, "a reference such as `Patient/1`, `1` or a URL")
                    })?;
                    ReferenceValue::Id(types.clone(), id)
                }
            };
            match (&read, only) {
                (ReferenceValue::Target(target), Some(only)) if target.resource_type != only => {
                    Err(bad_value(name, &text, "a reference of the type that the modifier names"))
                }
                _ => Ok(read),
            }
        };
        let values: Result<_, _> = alternatives(name, value)?.into_iter().map(one).collect();
        Ok(Criterion::Reference { parameter, values: values? })
    }
}

pub(super) fn bad_value(name: &str, value: &str, expected: &str) -> Issue {
    // A bound value may be part of it.
    let value = value.replace('\0', "");
    Issue::error("value", format!("the parameter `{name}` has the value `{value}`, not {expected}"))
}

pub(super) fn not_supported(name: &str, why: &str) -> Issue {
    Issue::error("not-supported", format!("the parameter `{name}` cannot be applied: {why}"))
}

fn alternatives<'v>(name: &str, value: &'v str) -> Result<Vec<&'v str>, Issue> {
    let values = split_unescaped(value, ',');
    if values.len() > limits::SEARCH_ALTERNATIVES_MAX {
        let max = limits::SEARCH_ALTERNATIVES_MAX;
        let text = format!("the parameter `{name}` has more than {max} alternatives");
        return Err(Issue::error("too-costly", text));
    }
    if values.iter().any(|value| value.is_empty()) {
        return Err(bad_value(name, value, "a list of values without empty ones"));
    }
    Ok(values)
}

/// The ids of `_id`. A text that cannot be an id names nothing and matches nothing.
fn ids(value: &str) -> Result<Vec<Id>, Issue> {
    let texts = alternatives("_id", value)?.into_iter().map(unescape);
    Ok(texts.filter_map(|text| Id::parse(&text)).collect())
}

fn token(text: &str) -> TokenValue {
    match split_unescaped(text, '|').as_slice() {
        [system, code, ..] => match (unescape(system), unescape(code)) {
            (system, code) if system.is_empty() => TokenValue::NoSystemCode(code),
            (system, code) if code.is_empty() => TokenValue::System(system),
            (system, code) => TokenValue::SystemCode(system, code),
        },
        _ => TokenValue::Code(unescape(text)),
    }
}

fn quantity(name: &str, text: &str) -> Result<QuantityComparison, Issue> {
    let expected = "a quantity such as `5.4`, `5.4||mg` or `5.4|http://unitsofmeasure.org|mg`";
    let parts = split_unescaped(text, '|');
    let (number, system, code) = match parts.as_slice() {
        [number] => (*number, "", ""),
        [number, system, code] => (*number, *system, *code),
        _ => return Err(bad_value(name, text, expected)),
    };
    let sent = |text: &str| (!text.is_empty()).then(|| unescape(text));
    let number = number_comparison(number).ok_or_else(|| bad_value(name, text, expected))?;
    Ok(QuantityComparison { number, system: sent(system), code: sent(code) })
}
