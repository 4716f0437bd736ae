//! Numbers to compare with, and the range that their written precision implies.

use crate::limits;
use crate::search::text::unescape;
use crate::search::{NumberComparison, Prefix};

/// Reads `[prefix]number` (<https://hl7.org/fhir/R4/search.html#number>).
pub(super) fn number_comparison(text: &str) -> Option<NumberComparison> {
    let (prefix, number) = Prefix::split(text);
    let decimal = Decimal::parse(&unescape(number))?;
    let value = decimal.scaled(0)?;
    let (low, high) = if prefix == Prefix::Ap {
        let tenth = value.abs() / 10.0;
        (value - tenth, value + tenth)
    } else {
        (decimal.scaled(-5)?, decimal.scaled(5)?)
    };
    Some(NumberComparison { prefix, value, low, high })
}

/// A decimal as digits and an exponent, so that half of its last place is exact.
struct Decimal {
    /// All digits as one whole number.
    digits: i128,
    /// Of ten, for the last digit.
    exponent: i32,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        if text.len() > limits::NUMBER_LENGTH_MAX {
            return None;
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent.parse::<i32>().ok()?)),
            None => (text, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let unsigned = whole.strip_prefix('-').unwrap_or(whole);
        if !plain(unsigned) || !fraction.is_none_or(plain) {
            return None;
        }
        // The specification reads `1e2` as [95, 105): an exponent without a fraction counts as
        // one digit more.
        let fraction = fraction.unwrap_or(if exponent.is_some() { "0" } else { "" });
        let places = i32::try_from(fraction.len()).ok()?;
        Some(Self {
            digits: format!("{whole}{fraction}").parse().ok()?,
            exponent: exponent.unwrap_or(0).checked_sub(places)?,
        })
    }

    /// The number with tenths of its last place added.
    fn scaled(&self, tenths: i128) -> Option<f64> {
        let digits = self.digits.checked_mul(10)?.checked_add(tenths)?;
        let value: f64 = format!("{digits}e{}", self.exponent.checked_sub(1)?).parse().ok()?;
        value.is_finite().then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_precision_it_was_written_in() {
        for (text, low, high) in [
            ("100", 99.5, 100.5),
            ("100.00", 99.995, 100.005),
            ("1e2", 95.0, 105.0),
            ("80", 79.5, 80.5),
            ("5.4", 5.35, 5.45),
            ("5.40e-3", 0.005395, 0.005405),
            ("-0.5", -0.55, -0.45),
            ("0", -0.5, 0.5),
        ] {
            let read = number_comparison(text).unwrap();
            assert_eq!((read.prefix, read.low, read.high), (Prefix::Eq, low, high), "{text}");
        }
    }

    #[test]
    fn a_prefix_is_kept_and_nonsense_is_refused() {
        let read = number_comparison("ge5.4").unwrap();
        assert_eq!((read.prefix, read.value), (Prefix::Ge, 5.4));
        let about = number_comparison("ap100").unwrap();
        assert_eq!((about.low, about.high), (90.0, 110.0));
        for text in ["", "ge", "1.", ".5", "1e", "1e9999", "NaN", "+1", "0x1", "1,0", "--1"] {
            assert_eq!(number_comparison(text), None, "{text}");
        }
    }
}
