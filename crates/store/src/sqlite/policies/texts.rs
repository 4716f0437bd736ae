//! Functions of texts with PostgreSQL's meaning. `None` is an error of the query.

use super::deadline::Deadline;

/// `LIKE`: `%` is any text, `_` any one character, `\` makes the next one literal; case counts.
pub(crate) fn like(text: &str, pattern: &str, deadline: &Deadline) -> Option<bool> {
    let text: Vec<char> = text.chars().collect();
    let pattern = tokens(pattern);
    let (mut at, mut token) = (0, 0);
    // Where the last `%` was, and how much of the text it has taken.
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        if deadline.is_over() {
            return None;
        }
        match pattern.get(token) {
            Some(Token::AnyText) => {
                retry = Some((token, at));
                token += 1;
                continue;
            }
            Some(Token::AnyCharacter) => {
                (at, token) = (at + 1, token + 1);
                continue;
            }
            Some(Token::Is(expected)) if text.get(at) == Some(expected) => {
                (at, token) = (at + 1, token + 1);
                continue;
            }
            Some(Token::Nothing) => return None,
            Some(Token::Is(_)) | None => {}
        }
        let Some((any_text, taken)) = retry else { return Some(false) };
        retry = Some((any_text, taken + 1));
        (at, token) = (taken + 1, any_text + 1);
    }
    let rest = pattern.get(token..).unwrap_or_default();
    Some(rest.iter().all(|token| matches!(token, Token::AnyText)))
}

enum Token {
    AnyText,
    AnyCharacter,
    Is(char),
    /// An escape at the end: an error once a character is compared with it.
    Nothing,
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut characters = pattern.chars();
    while let Some(next) = characters.next() {
        tokens.push(match next {
            '%' => Token::AnyText,
            '_' => Token::AnyCharacter,
            '\\' => characters.next().map_or(Token::Nothing, Token::Is),
            other => Token::Is(other),
        });
    }
    tokens
}

/// `split_part`: the part of that number, from 1, or from the end where it is negative.
pub(crate) fn split_part<'a>(text: &'a str, delimiter: &str, number: i64) -> Option<&'a str> {
    let parts: Vec<&str> = match (text, delimiter) {
        ("", _) => Vec::new(),
        (text, "") => vec![text],
        (text, delimiter) => text.split(delimiter).collect(),
    };
    let index = match number {
        0 => return None,
        1.. => usize::try_from(number - 1).ok(),
        ..0 => {
            let back = usize::try_from(number.unsigned_abs()).ok();
            back.and_then(|back| parts.len().checked_sub(back))
        }
    };
    Some(index.and_then(|index| parts.get(index)).copied().unwrap_or_default())
}

/// A text cast to boolean.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace()).to_ascii_lowercase();
    let begins = |word: &str, at_least: usize| text.len() >= at_least && word.starts_with(&text);
    if begins("true", 1) || begins("yes", 1) || text == "on" || text == "1" {
        Some(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || text == "0" {
        Some(false)
    } else {
        None
    }
}

/// A text cast to a whole number of 64 bits.
pub(crate) fn integer(text: &str) -> Option<i64> {
    text.trim_matches(|c: char| c.is_ascii_whitespace()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_is_that_of_postgresql() {
        let never = Deadline::default();
        never.begin();
        for (text, pattern, holds) in [
            ("patient", "patient", Some(true)),
            ("PATIENT", "patient", Some(false)),
            ("patient", "pat%", Some(true)),
            ("patient", "%ent", Some(true)),
            ("patient", "%ti%", Some(true)),
            ("patient", "p_tient", Some(true)),
            ("patient", "_", Some(false)),
            ("", "%", Some(true)),
            ("", "", Some(true)),
            ("", "_", Some(false)),
            ("a", "", Some(false)),
            ("é", "_", Some(true)),
            ("100%", "100\\%", Some(true)),
            ("1000", "100\\%", Some(false)),
            ("a_b", "a\\_b", Some(true)),
            ("a\\b", "a\\\\b", Some(true)),
            ("a\nb", "a_b", Some(true)),
            ("mississippi", "m%iss%ip%i", Some(true)),
            ("mississippi", "m%iss%ipx%i", Some(false)),
            ("aab", "%ab", Some(true)),
            ("a", "a\\", Some(false)),
            ("ab", "a\\", None),
            ("ab", "%\\", None),
            ("/fhir/Patient/x", "/fhir/Patient/%", Some(true)),
            ("/fhir/PatientX", "/fhir/Patient/%", Some(false)),
        ] {
            assert_eq!(like(text, pattern, &never), holds, "{text} LIKE {pattern}");
        }
        assert_eq!(like("a", "b", &Deadline::default()), None);
    }

    #[test]
    fn parts_of_texts_are_those_of_postgresql() {
        for (text, delimiter, number, part) in [
            ("a/b/c", "/", 2, Some("b")),
            ("a/b/c", "/", 4, Some("")),
            ("a/b/c", "/", -1, Some("c")),
            ("a/b/c", "/", -4, Some("")),
            ("a/b/c", "", 1, Some("a/b/c")),
            ("a/b/c", "", 2, Some("")),
            ("a~@~b", "~@~", 2, Some("b")),
            ("", "/", 1, Some("")),
            ("a", "/", 0, None),
            ("a", "/", i64::MIN, Some("")),
            ("/fhir/Patient/x", "/", 4, Some("x")),
        ] {
            assert_eq!(split_part(text, delimiter, number), part, "{text} {delimiter} {number}");
        }
    }

    #[test]
    fn texts_are_cast_as_in_postgresql() {
        for text in ["true", "T", "tr", " yes ", "y", "on", "1"] {
            assert_eq!(boolean(text), Some(true), "{text}");
        }
        for text in ["false", "f", "NO", "n", "off", "of", "0"] {
            assert_eq!(boolean(text), Some(false), "{text}");
        }
        for text in ["", "o", "2", "truee", "nope", "on "] {
            assert_eq!(boolean(text), (text == "on ").then_some(true), "{text}");
        }
        for (text, number) in [
            ("5", Some(5)),
            (" -5\n", Some(-5)),
            ("+5", Some(5)),
            ("5.0", None),
            ("", None),
            ("9223372036854775808", None),
        ] {
            assert_eq!(integer(text), number, "{text}");
        }
    }
}
