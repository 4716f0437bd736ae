//! The matches of a search as the specification has them, computed without the store: what the
//! random tests compare with.

use std::cmp::Ordering;

use firewarden_fhir::definitions::SearchParameter;
use firewarden_fhir::extract::{Extracted, IndexValue};
use firewarden_fhir::search::{
    Criterion, DateComparison, NumberComparison, Prefix, ReferenceValue, SearchQuery, SortBy,
    SortKey, StringMatch, TokenValue,
};
use firewarden_fhir::{ResourceType, Target, TimeRange, Timestamp};

/// A stored resource, as the model knows it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub resource_type: ResourceType,
    pub id: String,
    pub updated: Timestamp,
    /// In the order of creation.
    pub key: usize,
    pub values: Vec<Extracted>,
}

impl Row {
    fn of(&self, parameter: &SearchParameter) -> Vec<&IndexValue> {
        self.values.iter().filter(|v| *v.parameter == *parameter).map(|v| &v.value).collect()
    }
}

/// All resources that are there.
#[derive(Default)]
pub(crate) struct World {
    pub rows: Vec<Row>,
}

impl World {
    fn is(row: &Row, target: &Target) -> bool {
        row.resource_type == target.resource_type && row.id == target.id.as_str()
    }

    /// What the row refers to, as far as it is there.
    fn targets(&self, row: &Row, parameter: &SearchParameter, of: ResourceType) -> Vec<&Row> {
        let refers = |to: &Row| {
            row.of(parameter)
                .iter()
                .any(|value| matches!(value, IndexValue::Local(target) if Self::is(to, target)))
        };
        self.rows.iter().filter(|to| to.resource_type == of && refers(to)).collect()
    }

    pub(crate) fn all_hold(&self, row: &Row, criteria: &[Criterion]) -> bool {
        criteria.iter().all(|criterion| holds(self, row, criterion))
    }

    /// The ids that a search finds, in its order.
    pub(crate) fn matches(&self, query: &SearchQuery) -> Vec<String> {
        let mut found: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| row.resource_type == query.resource_type)
            .filter(|row| self.all_hold(row, &query.criteria))
            .collect();
        found.sort_by(|a, b| compare(self, a, b, &query.sort));
        found.into_iter().map(|row| row.id.clone()).collect()
    }
}

/// A range that ends before it begins is the one between the two.
pub(crate) fn put_in_order(value: &mut IndexValue) {
    match value {
        IndexValue::Date(range) => {
            let TimeRange { low_us, high_us } = *range;
            *range = TimeRange { low_us: low_us.min(high_us), high_us: low_us.max(high_us) };
        }
        IndexValue::Number { low, high } | IndexValue::Quantity { low, high, .. } => {
            (*low, *high) = (low.min(*high), low.max(*high));
        }
        IndexValue::String(_)
        | IndexValue::Token { .. }
        | IndexValue::Local(_)
        | IndexValue::Absolute(_)
        | IndexValue::Uri(_) => {}
    }
}

fn holds(world: &World, row: &Row, criterion: &Criterion) -> bool {
    match criterion {
        Criterion::Id(ids) => ids.iter().any(|id| id.as_str() == row.id),
        Criterion::LastUpdated(sought) => {
            sought.iter().any(|s| date(s, TimeRange::of_instant(row.updated)))
        }
        Criterion::Missing { parameter, missing } => row.of(parameter).is_empty() == *missing,
        Criterion::String { parameter, how, values } => row.of(parameter).iter().any(|v| {
            let IndexValue::String(text) = v else { return false };
            values.iter().any(|sought| match how {
                StringMatch::Exact => text == sought,
                StringMatch::Start => {
                    !plain(sought).is_empty() && plain(text).starts_with(&plain(sought))
                }
                StringMatch::Contains => {
                    !plain(sought).is_empty() && plain(text).contains(&plain(sought))
                }
            })
        }),
        Criterion::Token { parameter, negated, values } => {
            let any = row.of(parameter).iter().any(|v| values.iter().any(|s| token(v, s)));
            any != *negated
        }
        Criterion::Reference { parameter, values } => {
            row.of(parameter).iter().any(|v| values.iter().any(|s| reference(v, s)))
        }
        Criterion::Date { parameter, values } => row.of(parameter).iter().any(
            |v| matches!(v, IndexValue::Date(range) if values.iter().any(|s| date(s, *range))),
        ),
        Criterion::Number { parameter, values } => row.of(parameter).iter().any(|v| {
            let IndexValue::Number { low, high } = v else { return false };
            values.iter().any(|s| number(s, *low, *high))
        }),
        Criterion::Quantity { parameter, values } => row.of(parameter).iter().any(|v| {
            let IndexValue::Quantity { low, high, system, code, unit } = v else { return false };
            values.iter().any(|s| {
                let same_unit = match (&s.system, &s.code) {
                    (None, None) => true,
                    (Some(_), None) => *system == s.system,
                    (Some(_), Some(_)) => *system == s.system && *code == s.code,
                    (None, Some(_)) => *code == s.code || *unit == s.code,
                };
                same_unit && number(&s.number, *low, *high)
            })
        }),
        Criterion::Uri { parameter, values } => row
            .of(parameter)
            .iter()
            .any(|v| matches!(v, IndexValue::Uri(uri) if values.contains(uri))),
        Criterion::Chain { parameter, targets } => targets.iter().any(|(of, criteria)| {
            let targets = world.targets(row, parameter, *of);
            targets.iter().any(|target| world.all_hold(target, criteria))
        }),
        Criterion::Has { source, parameter, criteria } => world.rows.iter().any(|other| {
            other.resource_type == *source
                && other.of(parameter).iter().any(
                    |value| matches!(value, IndexValue::Local(target) if World::is(row, target)),
                )
                && world.all_hold(other, criteria)
        }),
        Criterion::Any(alternatives) => {
            alternatives.iter().any(|criteria| world.all_hold(row, criteria))
        }
    }
}

/// Folding, for the few letters that the random tests use.
fn plain(text: &str) -> String {
    let letters = text.to_lowercase().replace(['ä', 'á'], "a").replace('é', "e").replace('ü', "u");
    letters.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn token(value: &IndexValue, sought: &TokenValue) -> bool {
    let IndexValue::Token { system, code } = value else { return false };
    match sought {
        TokenValue::Code(c) => c == code,
        TokenValue::SystemCode(s, c) => c == code && system.as_ref() == Some(s),
        TokenValue::NoSystemCode(c) => c == code && system.is_none(),
        TokenValue::System(s) => system.as_ref() == Some(s),
    }
}

fn reference(value: &IndexValue, sought: &ReferenceValue) -> bool {
    match (value, sought) {
        (IndexValue::Local(target), ReferenceValue::Id(types, id)) => {
            target.id == *id && types.contains(&target.resource_type)
        }
        (IndexValue::Local(target), ReferenceValue::Target(other)) => target == other,
        (IndexValue::Absolute(url), ReferenceValue::Absolute(sought)) => {
            url == sought || (!sought.contains('|') && url.split('|').next() == Some(sought))
        }
        _ => false,
    }
}

fn date(sought: &DateComparison, v: TimeRange) -> bool {
    let s = sought.range;
    let eq = s.low_us <= v.low_us && v.high_us <= s.high_us;
    match sought.prefix {
        Prefix::Eq => eq,
        Prefix::Ne => !eq,
        Prefix::Gt => v.high_us > s.high_us,
        Prefix::Lt => v.low_us < s.low_us,
        Prefix::Ge => v.high_us > s.high_us || eq,
        Prefix::Le => v.low_us < s.low_us || eq,
        Prefix::Sa => v.low_us >= s.high_us,
        Prefix::Eb => v.high_us <= s.low_us,
        Prefix::Ap => v.low_us < s.high_us && v.high_us > s.low_us,
    }
}

fn number(s: &NumberComparison, low: f64, high: f64) -> bool {
    match s.prefix {
        Prefix::Eq => low >= s.low && high < s.high,
        Prefix::Ne => !(low >= s.low && high < s.high),
        Prefix::Gt => high > s.value,
        Prefix::Lt => low < s.value,
        Prefix::Ge => high >= s.value,
        Prefix::Le => low <= s.value,
        Prefix::Sa => low > s.value,
        Prefix::Eb => high < s.value,
        Prefix::Ap => low < s.high && high >= s.low,
    }
}

/// A value that sorts: numbers as they are, texts folded by the caller.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Key {
    Number(f64),
    Text(String),
}

fn compare(world: &World, a: &Row, b: &Row, sort: &[SortKey]) -> Ordering {
    for key in sort {
        let ordering = match (sort_key(world, a, key), sort_key(world, b, key)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => {
                let ordering = a.partial_cmp(&b).unwrap();
                if key.descending { ordering.reverse() } else { ordering }
            }
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
    let ordering = a.key.cmp(&b.key);
    if sort.last().is_some_and(|key| key.descending) { ordering.reverse() } else { ordering }
}

fn sort_key(world: &World, row: &Row, sort: &SortKey) -> Option<Key> {
    let mut keys: Vec<Key> = match &sort.by {
        SortBy::Id => return Some(Key::Text(row.id.clone())),
        SortBy::LastUpdated => return Some(Key::Number(row.updated.as_millisecond() as f64)),
        SortBy::Parameter(parameter) => row.of(parameter).into_iter().map(value_key).collect(),
        SortBy::Through { parameter, target, criteria, by } => {
            let mut targets = world.targets(row, parameter, *target);
            targets.retain(|target| world.all_hold(target, criteria));
            targets.into_iter().flat_map(|target| target.of(by)).map(value_key).collect()
        }
    };
    keys.sort_by(|a, b| a.partial_cmp(b).unwrap());
    if sort.descending { keys.pop() } else { keys.into_iter().next() }
}

fn value_key(value: &IndexValue) -> Key {
    match value {
        IndexValue::String(text) => Key::Text(plain(text)),
        IndexValue::Token { code, .. } => Key::Text(code.clone()),
        IndexValue::Local(target) => Key::Text(target.to_string()),
        IndexValue::Absolute(url) | IndexValue::Uri(url) => Key::Text(url.clone()),
        IndexValue::Date(range) => Key::Number(range.low_us as f64),
        IndexValue::Number { low, .. } | IndexValue::Quantity { low, .. } => Key::Number(*low),
    }
}
