//! What an unquoted scalar reads as, here (YAML 1.2 core schema) and elsewhere (YAML 1.1).

/// The meanings an unquoted scalar can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Null,
    Boolean(bool),
    /// A number whose text is a JSON number too.
    Number,
    /// A number to YAML, which JSON has no spelling for.
    ForeignNumber,
    Text,
}

/// What the unquoted text means.
pub(super) fn meaning(text: &str) -> Plain {
    match text {
        "" | "~" | "null" => Plain::Null,
        "true" => Plain::Boolean(true),
        "false" => Plain::Boolean(false),
        _ if is_decimal(text) && is_json_number(text) => Plain::Number,
        _ if is_decimal(text) || is_based(text) || is_not_finite(text) => Plain::ForeignNumber,
        _ => Plain::Text,
    }
}

/// Whether a YAML 1.1 reader may take the unquoted text for something other than text.
pub(super) fn others_may_misread(text: &str) -> bool {
    const WORDS: &[&str] =
        &["y", "n", "yes", "no", "on", "off", "true", "false", "null", "=", "<<", "-"];
    let unsigned = unsigned(text);
    let looks_numeric = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.chars().all(|c| c.is_ascii_hexdigit() || "_.:xob".contains(c));
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) || looks_numeric || is_date(text)
}

/// `2020-1-31`, alone or before a time.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (year, month, rest) = (parts.next(), parts.next(), parts.next());
    year.is_some_and(|y| y.len() == 4 && is_digits(y))
        && month.is_some_and(|m| (1..=2).contains(&m.len()) && is_digits(m))
        && rest.is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()))
}

/// Sign, digits, fraction and exponent, any of the digits' groups empty but not all.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match unsigned(text).split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(unsigned(exponent))),
        None => (unsigned(text), None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    is_digits(whole)
        && is_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|e| !e.is_empty() && is_digits(e))
}

/// Whether a decimal is one by JSON's grammar: no `+`, no leading zero, digits around the point.
fn is_json_number(decimal: &str) -> bool {
    decimal.parse::<serde_json::Number>().is_ok()
}

/// `0x1F`, `0o17`.
fn is_based(text: &str) -> bool {
    let of_base =
        |digits: &str, base| !digits.is_empty() && digits.chars().all(|c| c.is_digit(base));
    text.strip_prefix("0x").is_some_and(|digits| of_base(digits, 16))
        || text.strip_prefix("0o").is_some_and(|digits| of_base(digits, 8))
}

fn is_not_finite(text: &str) -> bool {
    matches!(unsigned(text), ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN")
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}
