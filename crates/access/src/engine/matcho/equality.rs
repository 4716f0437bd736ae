//! When two values are the same: strictly by type, and numbers by their value.

use serde_json::{Number, Value};

/// Whether two scalars are equal; lists and maps are equal to nothing here.
pub(super) fn same_scalar(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => same_number(a, b),
        (Value::Null, Value::Null) => true,
        _ => false,
    }
}

/// Whether two numbers have one value: `1`, `1.0` and `10e-1` do.
fn same_number(a: &Number, b: &Number) -> bool {
    let (a, b) = (a.as_str(), b.as_str());
    a == b
        || match (Decimal::parse(a), Decimal::parse(b)) {
            (Some(a), Some(b)) => a == b,
            // An exponent beyond any use: the same only where it is written alike.
            _ => false,
        }
}

/// A decimal number in one form: digits without zeros around them, times a power of ten.
#[derive(PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, fraction].concat();
        let significant = digits.trim_end_matches('0');
        let zeros = digits.len() - significant.len();
        let significant = significant.trim_start_matches('0');
        if significant.is_empty() {
            return Some(Self { is_negative: false, digits: String::new(), exponent: 0 });
        }
        let exponent = exponent.parse::<i64>().ok()?;
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let exponent = exponent.checked_add(i64::try_from(zeros).ok()?)?;
        Some(Self { is_negative, digits: significant.to_owned(), exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let number = |text: &str| firewarden_fhir::json::parse(text.as_bytes()).unwrap();
        same_scalar(&number(a), &number(b))
    }

    #[test]
    fn numbers_are_equal_by_value() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "10e-1"),
            ("100", "1e2"),
            ("0", "-0.0"),
            ("0", "0e99999999999999999999999"),
            ("-1.50", "-15E-1"),
            ("1.2e+3", "1200"),
            ("123456789012345678901234567890", "123456789012345678901234567890.0"),
            ("1e400", "10e399"),
            ("0.1", "1e-1"),
            ("0.0120", "12e-3"),
        ] {
            assert!(same(a, b) && same(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("1", "-1"),
            ("1", "10"),
            ("1", "1.01"),
            ("100000000000000000001", "100000000000000000002"),
            ("1e400", "1e401"),
            ("1e99999999999999999999999", "1e99999999999999999999998"),
            ("0.1", "0.01"),
        ] {
            assert!(!same(a, b) && !same(b, a), "{a} {b}");
        }
    }

    #[test]
    fn values_of_two_types_are_two_values() {
        use serde_json::json;
        let all = [
            json!(null),
            json!(true),
            json!(1),
            json!("1"),
            json!(""),
            json!("null"),
            json!(0),
            json!(false),
            json!("true"),
        ];
        for (index, a) in all.iter().enumerate() {
            for (other, b) in all.iter().enumerate() {
                assert_eq!(same_scalar(a, b), index == other, "{a} {b}");
            }
        }
        assert!(!same_scalar(&json!([]), &json!([])) && !same_scalar(&json!({}), &json!({})));
    }
}
