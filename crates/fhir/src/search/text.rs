//! Escapes in search values: `\,` `\$` `\|` `\\` (<https://hl7.org/fhir/R4/search.html#escaping>).

/// Stands before a value that was bound, so that nothing in it is read as a prefix. No query that
/// is sent has it: a decoded one is refused.
const BOUND: char = '\0';

/// The text that stands for exactly this value inside a search value, whatever the parameter's
/// type: nothing in it separates, and it has no prefix. `None` for what can be no value, an empty
/// text or one with NUL: a criterion with it would mean something else than its author wrote, so
/// that it holds for nothing.
pub fn escape(value: &str) -> Option<String> {
    if value.is_empty() || value.contains(BOUND) {
        return None;
    }
    let mut escaped = String::with_capacity(value.len() + 4);
    escaped.push(BOUND);
    for c in value.chars() {
        if r",$|\".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    Some(escaped)
}

/// The parts between unescaped separators, still escaped.
pub(super) fn split_unescaped(text: &str, separator: char) -> Vec<&str> {
    let mut escaped = false;
    text.split(|c: char| {
        let splits = c == separator && !escaped;
        escaped = c == '\\' && !escaped;
        splits
    })
    .collect()
}

/// The text that an escaped one stands for. A backslash before anything else stands for itself.
pub(super) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().filter(|c| *c != BOUND).peekable();
    while let Some(c) = chars.next() {
        let escapes = c == '\\' && chars.peek().is_some_and(|next| r",$|\".contains(*next));
        match chars.next_if(|_| escapes) {
            Some(next) => plain.push(next),
            None => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_unescaped_separators_separate() {
        for (text, parts) in [
            ("a,b", vec!["a", "b"]),
            (r"a\,b,c", vec!["a,b", "c"]),
            (r"a\\,b", vec![r"a\", "b"]),
            (r"a\x,b\", vec![r"a\x", r"b\"]),
            ("", vec![""]),
            (",", vec!["", ""]),
        ] {
            let read: Vec<_> = split_unescaped(text, ',').into_iter().map(unescape).collect();
            assert_eq!(read, parts, "{text}");
        }
    }

    #[test]
    fn what_is_no_value_is_not_bound() {
        assert_eq!(escape(""), None);
        assert_eq!(escape("a\0b"), None);
    }

    proptest! {
        #[test]
        fn a_bound_value_is_one_value(value in r"[a-z,$|\\ ]{1,12}", separator in r"[,$|]") {
            let text = format!("x{separator}{}{separator}y", escape(&value).unwrap());
            let parts = split_unescaped(&text, separator.chars().next().unwrap());
            let read: Vec<String> = parts.into_iter().map(unescape).collect();
            prop_assert_eq!(read, ["x".to_owned(), value, "y".to_owned()]);
        }
    }
}
