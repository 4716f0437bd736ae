//! How long a file may be; clippy sees to functions.

use super::Finding;
use super::tree::Tree;

/// Lines of one file, its own tests not counted.
const LINES_MAX: usize = 600;
/// Longer files, which may only become shorter: path and lines.
const LONGER: &[(&str, usize)] = &[];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    check_against(tree, LONGER)
}

fn check_against(tree: &Tree, longer: &[(&str, usize)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust_files().filter(|file| !file.is_test()) {
        let lines = file.production_lines().count();
        let known = longer.iter().find(|(path, _)| *path == file.path).map(|(_, lines)| *lines);
        let lines_max = known.unwrap_or(LINES_MAX);
        if lines > lines_max {
            let what = format!("{lines} lines, {lines_max} at most: give a second idea a file");
            findings.push(file.finding(lines_max, what));
        } else if known.is_some() && lines < lines_max {
            let what = format!("shorter than its entry in {}: lower that to {lines}", file!());
            findings.push(file.finding(lines, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_not_grow_beyond_its_limit() {
        let findings = |lines: usize, known: usize| {
            let text =
                format!("{}#[cfg(test)]\nmod tests {{\n{}}}", "\n".repeat(lines), "\n".repeat(999));
            let longer: &[(&str, usize)] = if known > 0 { &[("x.rs", known)] } else { &[] };
            check_against(&Tree::of(&[("x.rs", &text)]), longer).len()
        };
        assert_eq!(findings(LINES_MAX, 0), 0);
        assert_eq!(findings(LINES_MAX + 1, 0), 1);
        assert_eq!(findings(700, 700), 0);
        assert_eq!(findings(701, 700), 1);
        assert_eq!(findings(699, 700), 1);
        assert_eq!(check(&Tree::of(&[("crates/x/tests/it/main.rs", &"\n".repeat(999))])).len(), 0);
    }
}
