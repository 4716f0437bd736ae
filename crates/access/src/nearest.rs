//! The known name that a misspelt one was most likely meant to be.

/// The nearest of the names, if one is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).clamp(1, 3);
    known
        .iter()
        .map(|known| (distance(&name.to_lowercase(), &known.to_lowercase()), *known))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, known)| known)
}

/// ` (did you mean …?)`, or nothing.
pub(crate) fn suggestion(name: &str, known: &[&str]) -> String {
    nearest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// Insertions, deletions, replacements and exchanges of neighbours (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (row, from) in a.chars().enumerate() {
        let mut line = vec![row + 1];
        let mut previous_b = None;
        for (column, to) in b.iter().enumerate() {
            let at =
                |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX);
            let replaced = at(&last, column) + usize::from(from != *to);
            let mut best = replaced.min(at(&last, column + 1) + 1).min(at(&line, column) + 1);
            if previous_a == Some(*to) && previous_b == Some(from) && column > 0 {
                best = best.min(at(&before_last, column - 1).saturating_add(1));
            }
            line.push(best);
            previous_b = Some(*to);
        }
        before_last = std::mem::replace(&mut last, line);
        previous_a = Some(from);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name_that_was_meant() {
        let known = ["required", "additionalProperties", "const", "constant", "properties", "not"];
        for (name, meant) in [
            ("requried", Some("required")),
            ("addtionalProperties", Some("additionalProperties")),
            ("constnat", Some("constant")),
            ("Properties", Some("properties")),
            ("nott", Some("not")),
            ("link", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &known), meant, "{name}");
        }
    }

    #[test]
    fn distances_count_slips() {
        for (a, b, count) in [
            ("", "", 0),
            ("a", "", 1),
            ("ab", "ba", 1),
            ("abc", "adc", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), count, "{a} {b}");
            assert_eq!(distance(b, a), count, "{b} {a}");
        }
    }
}
