//! Cursors: where a page begins, as an opaque text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::limits::CURSOR_CHARACTERS_MAX;

/// One value of the last row of a page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Missing,
    Integer(i64),
    Real(f64),
    Text(String),
}

/// The form of a cursor, its first byte.
const FORM: u8 = 1;

/// The cursor of a purpose: a text that tells what is read and in what order.
pub(crate) fn encode(purpose: &str, parts: &[Part]) -> String {
    let mut bytes = vec![FORM];
    put_text(&mut bytes, purpose);
    for part in parts {
        match part {
            Part::Missing => bytes.push(0),
            Part::Integer(number) => {
                bytes.push(1);
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            Part::Real(number) => {
                bytes.push(2);
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            Part::Text(text) => {
                bytes.push(3);
                put_text(&mut bytes, text);
            }
        }
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The parts of a cursor, if it is one of that purpose.
pub(crate) fn decode(cursor: &str, purpose: &str) -> Option<Vec<Part>> {
    if cursor.len() > CURSOR_CHARACTERS_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let mut rest = bytes.strip_prefix(&[FORM])?;
    if text(&mut rest)? != purpose {
        return None;
    }
    let mut parts = Vec::new();
    while let Some((tag, after)) = rest.split_first() {
        rest = after;
        parts.push(match tag {
            0 => Part::Missing,
            1 => Part::Integer(i64::from_le_bytes(eight(&mut rest)?)),
            2 => Part::Real(f64::from_le_bytes(eight(&mut rest)?)),
            3 => Part::Text(text(&mut rest)?.to_owned()),
            _ => return None,
        });
    }
    Some(parts)
}

/// Texts in a cursor are short: names, and sort values that are cut.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let text = crate::fold::cut(text, usize::from(u16::MAX));
    bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (length, after) = rest.split_first_chunk()?;
    let (text, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    *rest = after;
    std::str::from_utf8(text).ok()
}

fn eight(rest: &mut &[u8]) -> Option<[u8; 8]> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part() -> impl Strategy<Value = Part> {
        prop_oneof![
            Just(Part::Missing),
            any::<i64>().prop_map(Part::Integer),
            (-1e300..1e300f64).prop_map(Part::Real),
            "\\PC{0,20}".prop_map(Part::Text),
        ]
    }

    proptest! {
        #[test]
        fn a_cursor_gives_back_its_parts(parts in prop::collection::vec(part(), 0..5)) {
            let cursor = encode("Patient", &parts);
            prop_assert_eq!(decode(&cursor, "Patient"), Some(parts));
            prop_assert_eq!(decode(&cursor, "Observation"), None);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            decode(&text, "Patient");
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            decode(&URL_SAFE_NO_PAD.encode([&[FORM, 0, 0][..], &bytes].concat()), "");
        }
    }

    #[test]
    fn a_long_cursor_is_not_read() {
        let long = encode("p", &vec![Part::Text("x".repeat(60)); 100]);
        assert!(long.len() > CURSOR_CHARACTERS_MAX);
        assert_eq!(decode(&long, "p"), None);
    }
}
