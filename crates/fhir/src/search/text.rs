//! Escapes in search values: `\,` `\$` `\|` `\\` (<https://hl7.org/fhir/R4/search.html#escaping>).

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
    let mut chars = text.chars().peekable();
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
}
