//! Decimal numbers of any length, exact, written as PostgreSQL's `numeric` writes them.

use std::cmp::Ordering;

use crate::limits::DECIMAL_EXPONENT_MAX;

/// A decimal number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decimal {
    negative: bool,
    /// Without zeros in front; at least one digit.
    whole: String,
    /// As many places as it was written with.
    fraction: String,
}

impl Decimal {
    /// Reads `-1.50e2` and the like. `None` for anything else, and for an exponent beyond the
    /// limit.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let pointed = mantissa.contains('.') && fraction.is_empty();
        if whole.is_empty() || pointed || !plain(whole) || !plain(fraction) {
            return None;
        }
        if exponent.abs() > DECIMAL_EXPONENT_MAX {
            return None;
        }
        Some(Self::shifted(negative, whole, fraction, exponent))
    }

    fn shifted(negative: bool, whole: &str, fraction: &str, exponent: i64) -> Self {
        let digits = format!("{whole}{fraction}");
        let point = i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_add(exponent);
        let (whole, fraction) = match usize::try_from(point) {
            Ok(point) if point >= digits.len() => {
                (format!("{digits}{}", "0".repeat(point - digits.len())), String::new())
            }
            Ok(point) => {
                let (whole, fraction) = digits.split_at(point);
                (whole.to_owned(), fraction.to_owned())
            }
            Err(_) => {
                let zeros = usize::try_from(point.unsigned_abs()).unwrap_or_default();
                (String::new(), format!("{}{digits}", "0".repeat(zeros)))
            }
        };
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            significant => significant,
        };
        let zero = whole == "0" && fraction.bytes().all(|byte| byte == b'0');
        Self { negative: negative && !zero, whole: whole.to_owned(), fraction }
    }

    /// In digits, with its places.
    pub(crate) fn text(&self) -> String {
        self.written(&self.fraction)
    }

    /// A text that two numbers share exactly where they are equal.
    pub(crate) fn key(&self) -> String {
        self.written(self.fraction.trim_end_matches('0'))
    }

    fn written(&self, fraction: &str) -> String {
        let sign = if self.negative { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{}{point}{fraction}", self.whole)
    }

    /// By value.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.magnitude(other),
            (true, true) => other.magnitude(self),
        }
    }

    fn magnitude(&self, other: &Self) -> Ordering {
        let places = |number: &Self| number.fraction.trim_end_matches('0').to_owned();
        (self.whole.len().cmp(&other.whole.len()))
            .then_with(|| self.whole.cmp(&other.whole))
            .then_with(|| places(self).cmp(&places(other)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_in_digits() {
        for (text, written, key) in [
            ("1", "1", "1"),
            ("-1.50", "-1.50", "-1.5"),
            ("+3", "3", "3"),
            ("1e2", "100", "100"),
            ("1e+2", "100", "100"),
            ("1.25E1", "12.5", "12.5"),
            ("1E-2", "0.01", "0.01"),
            ("12e-1", "1.2", "1.2"),
            ("-0", "0", "0"),
            ("-0.00", "0.00", "0"),
            ("007", "7", "7"),
            ("0.10", "0.10", "0.1"),
        ] {
            let read = Decimal::parse(text).unwrap();
            assert_eq!((read.text().as_str(), read.key().as_str()), (written, key), "{text}");
        }
        for text in
            ["", "-", "1.", ".5", "1e", "e1", "1 ", "0x1", "NaN", "1e1001", "1e-1001", "1_0", "--1"]
        {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        assert!(Decimal::parse("1e1000").is_some());
    }

    #[test]
    fn numbers_compare_by_value() {
        let ordered = [
            "-1e3",
            "-10.5",
            "-10.25",
            "0",
            "1e-1000",
            "0.1",
            "0.10000000000000000001",
            "9",
            "10",
            "1e20",
        ];
        for (index, text) in ordered.iter().enumerate() {
            for (other_index, other) in ordered.iter().enumerate() {
                let (a, b) = (Decimal::parse(text).unwrap(), Decimal::parse(other).unwrap());
                assert_eq!(a.compare(&b), index.cmp(&other_index), "{text} {other}");
                assert_eq!(a.key() == b.key(), index == other_index, "{text} {other}");
            }
        }
        let equal = |a, b| Decimal::parse(a).unwrap().compare(&Decimal::parse(b).unwrap());
        assert_eq!(equal("1.0", "1.00"), Ordering::Equal);
        assert_eq!(equal("-0", "0e5"), Ordering::Equal);
    }
}
