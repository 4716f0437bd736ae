//! Reads a search from its parameters.

use crate::definitions::{ParameterType, SearchParameter};
use crate::search::number::number_comparison;
use crate::search::text::{split_unescaped, unescape};
use crate::search::{
    Criterion, DateComparison, Prefix, QuantityComparison, ReferenceValue, SearchQuery, SortBy,
    SortKey, StringMatch, TokenValue, TotalMode,
};
use crate::{Definitions, Id, Issue, Reference, ResourceType, TimeRange, Timestamp, limits};

/// What to do with a parameter that the server does not know
/// (<https://hl7.org/fhir/R4/search.html#errors>, `Prefer: handling=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handling {
    /// Leave it out of account and say so in the answer.
    #[default]
    Lenient,
    /// Refuse the search.
    Strict,
}

/// What a search is read against.
#[derive(Clone, Copy, Debug)]
pub struct ParseSearch<'a> {
    /// This server's FHIR base URL, without a trailing slash.
    pub base_url: &'a str,
    /// The time of the request: what `ap` dates are measured from.
    pub now: Timestamp,
    /// What happens to unknown parameters.
    pub handling: Handling,
}

/// Parameters that are about the form of the answer, which the layer that renders it reads.
const RENDERING: &[&str] = &["_format", "_pretty"];

/// Parameters that only add to an answer or trim it and that this server does not apply: leaving
/// them out never shows another match.
const NOT_APPLIED: &[&str] =
    &["_include", "_revinclude", "_elements", "_contained", "_containedType"];

impl ParseSearch<'_> {
    /// Reads the search of a type. A parameter that would narrow the result and cannot be applied
    /// is an error under either handling, unless it is unknown altogether.
    pub fn read(
        &self,
        resource_type: ResourceType,
        parameters: &[(String, String)],
    ) -> Result<SearchQuery, Issue> {
        if parameters.len() > limits::SEARCH_PARAMETERS_MAX {
            let max = limits::SEARCH_PARAMETERS_MAX;
            return Err(Issue::error("too-costly", format!("more than {max} search parameters")));
        }
        let mut query = SearchQuery::all(resource_type);
        for (name, value) in parameters {
            match self.parameter(&mut query, name, value)? {
                Applied::Yes => query.applied.push((name.clone(), value.clone())),
                Applied::No(why) => self.leave_out(&mut query, why)?,
            }
        }
        Ok(query)
    }

    fn leave_out(&self, query: &mut SearchQuery, why: String) -> Result<(), Issue> {
        match self.handling {
            Handling::Lenient => query.ignored.push(Issue::warning("not-supported", why)),
            Handling::Strict => return Err(Issue::error("not-supported", why)),
        }
        Ok(())
    }

    fn parameter(
        &self,
        query: &mut SearchQuery,
        name: &str,
        value: &str,
    ) -> Result<Applied, Issue> {
        if value.is_empty() {
            return Ok(Applied::No(format!("the parameter `{name}` is empty and was left out")));
        }
        match name {
            "_count" => query.count = count(value)?,
            "_total" => query.total = total(value)?,
            "_totalMethod" if value == "count" => query.total = TotalMode::Accurate,
            "_summary" => return summary(query, value),
            "_cursor" => query.cursor = Some(value.to_owned()),
            "_sort" => query.sort = sort(query.resource_type, value)?,
            "_id" => query.criteria.push(Criterion::Id(ids(value)?)),
            "_lastUpdated" => {
                query.criteria.push(Criterion::LastUpdated(self.dates(name, value)?));
            }
            _ if RENDERING.contains(&name) => {}
            _ => return self.criterion(query, name, value),
        }
        Ok(Applied::Yes)
    }

    fn criterion(
        &self,
        query: &mut SearchQuery,
        name: &str,
        value: &str,
    ) -> Result<Applied, Issue> {
        let (code, modifier) = match name.split_once(':') {
            Some((code, modifier)) => (code, Some(modifier)),
            None => (name, None),
        };
        if NOT_APPLIED.contains(&code) || name == "_totalMethod" {
            return Ok(Applied::No(format!("`{name}` is not applied by this server")));
        }
        if code == "_has" || name.contains('.') {
            return Err(not_supported(name, "chained parameters and `_has` are not served"));
        }
        let resource_type = query.resource_type;
        let Some(parameter) = Definitions::get().search_parameter(resource_type, code) else {
            return Ok(Applied::No(format!(
                "`{code}` is not a search parameter of `{resource_type}` and was left out"
            )));
        };
        query.criteria.push(self.typed(parameter, name, modifier, value)?);
        Ok(Applied::Yes)
    }

    fn typed(
        &self,
        parameter: &'static SearchParameter,
        name: &str,
        modifier: Option<&str>,
        value: &str,
    ) -> Result<Criterion, Issue> {
        if modifier == Some("missing") {
            let missing = match value {
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
            let range = TimeRange::parse(date)
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

enum Applied {
    Yes,
    No(String),
}

fn bad_value(name: &str, value: &str, expected: &str) -> Issue {
    Issue::error("value", format!("the parameter `{name}` has the value `{value}`, not {expected}"))
}

fn not_supported(name: &str, why: &str) -> Issue {
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

/// A page's size; what is over the limit is served in pages of the limit.
pub(crate) fn count(value: &str) -> Result<u32, Issue> {
    let plain = value.len() <= 9 && value.bytes().all(|b| b.is_ascii_digit());
    let count = if plain { value.parse::<u32>().ok() } else { None };
    count
        .map(|count| count.min(limits::PAGE_ENTRIES_MAX))
        .ok_or_else(|| bad_value("_count", value, "a whole number from 0"))
}

fn total(value: &str) -> Result<TotalMode, Issue> {
    match value {
        "none" => Ok(TotalMode::None),
        "estimate" | "accurate" => Ok(TotalMode::Accurate),
        _ => Err(bad_value("_total", value, "`none`, `estimate` or `accurate`")),
    }
}

fn summary(query: &mut SearchQuery, value: &str) -> Result<Applied, Issue> {
    match value {
        "count" => {
            query.count = 0;
            query.total = TotalMode::Accurate;
            Ok(Applied::Yes)
        }
        "false" => Ok(Applied::Yes),
        "true" | "text" | "data" => {
            Ok(Applied::No(format!("`_summary={value}` is not applied by this server")))
        }
        _ => Err(bad_value("_summary", value, "`count` or `false`")),
    }
}

fn sort(resource_type: ResourceType, value: &str) -> Result<Vec<SortKey>, Issue> {
    let keys: Vec<&str> = value.split(',').collect();
    if keys.len() > limits::SORT_KEYS_MAX {
        let max = limits::SORT_KEYS_MAX;
        return Err(Issue::error("too-costly", format!("`_sort` has more than {max} keys")));
    }
    let one = |text: &str| {
        let (code, descending) = match text.strip_prefix('-') {
            Some(code) => (code, true),
            None => (text, false),
        };
        let by = match code {
            "_id" => SortBy::Id,
            "_lastUpdated" => SortBy::LastUpdated,
            _ => {
                let parameter = Definitions::get().search_parameter(resource_type, code);
                let sortable = |p: &&SearchParameter| {
                    !matches!(p.kind, ParameterType::Composite | ParameterType::Special)
                };
                SortBy::Parameter(parameter.filter(sortable).ok_or_else(|| {
                    bad_value(
                        "_sort",
                        text,
                        &format!("a parameter of `{resource_type}` to sort by"),
                    )
                })?)
            }
        };
        Ok(SortKey { by, descending })
    };
    keys.into_iter().map(one).collect()
}

/// The ids of `_id`. A text that cannot be an id names nothing and matches nothing.
fn ids(value: &str) -> Result<Vec<Id>, Issue> {
    Ok(alternatives("_id", value)?.into_iter().filter_map(Id::parse).collect())
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
