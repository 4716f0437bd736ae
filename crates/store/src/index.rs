//! Index rows: what of a version's values stands in which index table.

use std::cmp::Ordering;

use firewarden_fhir::ResourceType;

use crate::fold::{cut, fold};
use crate::limits::KEY_TEXT_BYTES_MAX;
use crate::packed::{ParameterCode, Value};

/// One index row of a resource; its variant names the table. Tables are written in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum IndexKey {
    String(Box<str>),
    Token { code: Box<str>, system: Option<Box<str>> },
    Reference { target: Box<str>, target_type: Option<ResourceType> },
    Date { span: DateSpan, low_us: i64, high_us: i64 },
    Number { span: NumberSpan, low: Real, high: Real },
    Quantity { span: NumberSpan, low: Real, high: Real },
    Uri(Box<str>),
}

/// How long a stretch of time is at most. It leads the key, so that a search for what ends after a
/// time need not begin at the beginning of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DateSpan {
    Day,
    Year,
    Open,
}

impl DateSpan {
    pub(crate) const ALL: [Self; 3] = [Self::Day, Self::Year, Self::Open];

    const DAY_US: i64 = 86_400_000_000;

    /// The most microseconds of a stretch of this kind, where there is a most.
    pub(crate) fn length_us_max(self) -> Option<i64> {
        match self {
            Self::Day => Some(Self::DAY_US),
            Self::Year => Some(366 * Self::DAY_US),
            Self::Open => None,
        }
    }

    pub(crate) fn of(low_us: i64, high_us: i64) -> Self {
        let fits = |span: Self| match (high_us.checked_sub(low_us), span.length_us_max()) {
            (Some(length), Some(max)) => length <= max,
            (None, _) | (_, None) => false,
        };
        Self::ALL.into_iter().find(|span| fits(*span)).unwrap_or(Self::Open)
    }

    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Day => 0,
            Self::Year => 1,
            Self::Open => 2,
        }
    }
}

/// Whether a number is one point or a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NumberSpan {
    Point,
    Range,
}

impl NumberSpan {
    pub(crate) const ALL: [Self; 2] = [Self::Point, Self::Range];

    fn of(low: f64, high: f64) -> Self {
        if low == high { Self::Point } else { Self::Range }
    }

    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Point => 0,
            Self::Range => 1,
        }
    }
}

/// A number that is one, in the order of numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Real(pub f64);

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Real {}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// The text as it stands in an index key: cut where it is very long, so that keys stay narrow.
/// What a cut key finds is compared in full with the packed values.
pub(crate) fn key_text(text: &str) -> &str {
    cut(text, KEY_TEXT_BYTES_MAX)
}

/// The index rows of the values, in order and without repetitions.
pub(crate) fn index_rows(values: &[(ParameterCode, Value<'_>)]) -> Vec<(ParameterCode, IndexKey)> {
    let mut rows: Vec<_> =
        values.iter().map(|(parameter, value)| (*parameter, index_key(value))).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

fn index_key(value: &Value<'_>) -> IndexKey {
    match *value {
        Value::String(text) => IndexKey::String(key_text(&fold(text)).into()),
        Value::Token { system, code } => {
            IndexKey::Token { code: key_text(code).into(), system: system.map(Into::into) }
        }
        Value::Local { resource_type, id } => IndexKey::Reference {
            target: key_text(id).into(),
            target_type: ResourceType::parse(resource_type),
        },
        Value::Absolute(url) => {
            IndexKey::Reference { target: key_text(url).into(), target_type: None }
        }
        Value::Date(range) => IndexKey::Date {
            span: DateSpan::of(range.low_us, range.high_us),
            low_us: range.low_us,
            high_us: range.high_us,
        },
        Value::Number { low, high } => {
            IndexKey::Number { span: NumberSpan::of(low, high), low: Real(low), high: Real(high) }
        }
        Value::Quantity { low, high, .. } => {
            IndexKey::Quantity { span: NumberSpan::of(low, high), low: Real(low), high: Real(high) }
        }
        Value::Uri(uri) => IndexKey::Uri(key_text(uri).into()),
    }
}

/// What changes between two sets of index rows, each as [`index_rows`] gives them: the rows that
/// go and the rows that come.
pub(crate) fn difference<T: Ord>(old: Vec<T>, new: Vec<T>) -> (Vec<T>, Vec<T>) {
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    loop {
        match (old.peek(), new.peek()) {
            (Some(a), Some(b)) if a == b => {
                old.next();
                new.next();
            }
            (Some(a), Some(b)) if a < b => gone.extend(old.next()),
            (Some(_), None) => gone.extend(old.next()),
            (_, Some(_)) => come.extend(new.next()),
            (None, None) => return (gone, come),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_difference_leads_from_the_old_rows_to_the_new(
            old: BTreeSet<u8>, new: BTreeSet<u8>
        ) {
            let (gone, come) = difference(
                old.iter().copied().collect::<Vec<_>>(),
                new.iter().copied().collect(),
            );
            let mut rows = old.clone();
            prop_assert!(gone.iter().all(|row| rows.remove(row)));
            prop_assert!(come.iter().all(|row| rows.insert(*row)));
            prop_assert_eq!(rows, new);
        }

        #[test]
        fn a_stretch_is_no_longer_than_its_span(low: i64, length in 0..i64::MAX) {
            let high = low.saturating_add(length);
            let span = DateSpan::of(low, high);
            if let Some(max) = span.length_us_max() {
                prop_assert!(high - low <= max);
            }
        }
    }

    #[test]
    fn keys_are_bounded() {
        let long = "ü".repeat(10_000);
        for value in [
            Value::String(&long),
            Value::Token { system: None, code: &long },
            Value::Absolute(&long),
            Value::Uri(&long),
        ] {
            let length = match index_key(&value) {
                IndexKey::String(text) | IndexKey::Uri(text) => text.len(),
                IndexKey::Token { code, .. } => code.len(),
                IndexKey::Reference { target, .. } => target.len(),
                IndexKey::Date { .. } | IndexKey::Number { .. } | IndexKey::Quantity { .. } => 0,
            };
            assert!((1..=KEY_TEXT_BYTES_MAX).contains(&length), "{length}");
        }
    }

    #[test]
    fn the_same_row_stands_once() {
        let values = [(1, Value::String("Ann")), (1, Value::String("ANN")), (2, Value::Uri("u"))];
        assert_eq!(index_rows(&values).len(), 2);
    }
}
