//! Query strings and forms, decoded strictly.

use crate::Issue;

/// The pairs of an `application/x-www-form-urlencoded` text, in their order. A raw `|` is
/// accepted. Refused: a broken escape, invalid UTF-8, NUL.
pub fn parse_query(text: &str) -> Result<Vec<(String, String)>, Issue> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

fn decode(text: &str) -> Result<String, Issue> {
    let bad = || Issue::error("invalid", "the query has a broken escape, or is not UTF-8");
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = bytes.next().and_then(hex_digit).ok_or_else(bad)?;
                let low = bytes.next().and_then(hex_digit).ok_or_else(bad)?;
                high * 16 + low
            }
            other => other,
        });
    }
    let decoded = String::from_utf8(decoded).map_err(|_| bad())?;
    if decoded.contains('\0') { Err(bad()) } else { Ok(decoded) }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
