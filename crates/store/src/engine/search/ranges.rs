//! Comparisons of dates and numbers, as ranges of their index tables.

use firewarden_fhir::search::{DateComparison, NumberComparison, Prefix};

use super::sources::Leg;
use crate::database::Sql;
use crate::engine::dictionary::TypeCode;
use crate::index::{DateSpan, NumberSpan};

/// A range of an index table within one parameter.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub conditions: Vec<&'static str>,
    pub values: Vec<Sql<'static>>,
}

/// The ranges of a comparison of dates, one for each span; `None` for `ne`.
pub(crate) fn date(comparison: &DateComparison) -> Option<Vec<Range>> {
    if comparison.prefix == Prefix::Ne {
        return None;
    }
    Some(DateSpan::ALL.into_iter().map(|span| date_of_span(comparison, span)).collect())
}

fn date_of_span(comparison: &DateComparison, span: DateSpan) -> Range {
    let (low, high) = (comparison.range.low_us, comparison.range.high_us);
    let within = "(low >= ? AND high <= ?)";
    let (condition, values): (&'static str, Vec<i64>) = match comparison.prefix {
        Prefix::Eq => (within, vec![low, high]),
        Prefix::Ne => ("NOT (low >= ? AND high <= ?)", vec![low, high]),
        Prefix::Gt => ("high > ?", vec![high]),
        Prefix::Lt => ("low < ?", vec![low]),
        Prefix::Ge => ("(high > ? OR (low >= ? AND high <= ?))", vec![high, low, high]),
        Prefix::Le => ("(low < ? OR (low >= ? AND high <= ?))", vec![low, low, high]),
        Prefix::Sa => ("low >= ?", vec![high]),
        Prefix::Eb => ("high <= ?", vec![low]),
        Prefix::Ap => ("(low < ? AND high > ?)", vec![high, low]),
    };
    // What is implied for `low`, the column that the key is ordered by.
    let longest = span.length_us_max();
    let begins_from = match comparison.prefix {
        Prefix::Eq => Some(low),
        Prefix::Gt => longest.map(|length| high.saturating_sub(length)),
        Prefix::Ge | Prefix::Ap => longest.map(|length| low.saturating_sub(length)),
        Prefix::Ne | Prefix::Lt | Prefix::Le | Prefix::Sa | Prefix::Eb => None,
    };
    let begins_to = match comparison.prefix {
        Prefix::Eq | Prefix::Le | Prefix::Ap => Some(high),
        Prefix::Eb => Some(low),
        Prefix::Ne | Prefix::Gt | Prefix::Lt | Prefix::Ge | Prefix::Sa => None,
    };
    let mut range = Range { conditions: vec!["span = ?"], values: vec![span.code().into()] };
    if let Some(from) = begins_from {
        range.conditions.push("low >= ?");
        range.values.push(from.into());
    }
    if let Some(to) = begins_to {
        range.conditions.push("low <= ?");
        range.values.push(to.into());
    }
    range.conditions.push(condition);
    range.values.extend(values.into_iter().map(Sql::from));
    range
}

/// The ranges of a comparison of numbers, one for each span; `None` for `ne`.
pub(crate) fn number(comparison: &NumberComparison) -> Option<Vec<Range>> {
    if comparison.prefix == Prefix::Ne {
        return None;
    }
    Some(NumberSpan::ALL.into_iter().map(|span| number_of_span(comparison, span)).collect())
}

fn number_of_span(comparison: &NumberComparison, span: NumberSpan) -> Range {
    let NumberComparison { value, low, high, .. } = *comparison;
    let is_point = span == NumberSpan::Point;
    let (conditions, values): (&[&'static str], Vec<f64>) = match comparison.prefix {
        Prefix::Eq => (&["low >= ?", "low < ?", "high < ?"], vec![low, high, high]),
        Prefix::Ne => (&["NOT (low >= ? AND high < ?)"], vec![low, high]),
        Prefix::Gt if is_point => (&["low > ?"], vec![value]),
        Prefix::Gt => (&["high > ?"], vec![value]),
        Prefix::Lt => (&["low < ?"], vec![value]),
        Prefix::Ge if is_point => (&["low >= ?"], vec![value]),
        Prefix::Ge => (&["high >= ?"], vec![value]),
        Prefix::Le => (&["low <= ?"], vec![value]),
        Prefix::Sa => (&["low > ?"], vec![value]),
        Prefix::Eb => (&["low < ?", "high < ?"], vec![value, value]),
        Prefix::Ap if is_point => (&["low < ?", "low >= ?"], vec![high, low]),
        Prefix::Ap => (&["low < ?", "high >= ?"], vec![high, low]),
    };
    Range {
        conditions: ["span = ?"].iter().chain(conditions).copied().collect(),
        values: [span.code().into()].into_iter().chain(values.into_iter().map(Sql::from)).collect(),
    }
}

/// The stretch of `_lastUpdated`, a little wider than asked for; `None` for `ne`.
pub(crate) fn updated(comparison: &DateComparison, type_code: TypeCode) -> Option<Leg> {
    let ms = |us: i64| us.div_euclid(1_000);
    let from = ms(comparison.range.low_us).saturating_sub(1);
    let to = ms(comparison.range.high_us).saturating_add(1);
    let (from, to) = match comparison.prefix {
        Prefix::Eq | Prefix::Ap => (from, to),
        Prefix::Gt | Prefix::Ge | Prefix::Sa => (from, i64::MAX),
        Prefix::Lt | Prefix::Le | Prefix::Eb => (i64::MIN, to),
        Prefix::Ne => return None,
    };
    Some(Leg {
        table: "resource",
        column: "key",
        conditions: vec!["type = ?", "updated >= ?", "updated <= ?", "deleted = 0"],
        values: vec![type_code.into(), from.into(), to.into()],
    })
}

/// The least text that is greater than every text with that beginning; `None` if there is none.
pub(crate) fn after_all(beginning: &str) -> Option<String> {
    let mut characters: Vec<char> = beginning.chars().collect();
    while let Some(last) = characters.pop() {
        // A step in a range of characters skips the surrogates, which are none.
        if let Some(next) = (last..=char::MAX).nth(1) {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_end_of_a_beginning_is_the_next_text() {
        for (beginning, end) in [
            ("a", Some("b")),
            ("mul", Some("mum")),
            ("\u{d7ff}", Some("\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
            ("", None),
        ] {
            assert_eq!(after_all(beginning).as_deref(), end, "{beginning:?}");
        }
    }

    proptest! {
        #[test]
        fn what_begins_so_lies_before_its_end(beginning in "\\PC{1,4}", rest in "\\PC{0,4}") {
            if let Some(end) = after_all(&beginning) {
                prop_assert!([beginning.as_str(), &rest].concat() < end);
            }
        }
    }
}
