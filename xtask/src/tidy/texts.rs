//! Texts that no file of the project may hold, and white space that means nothing.

use super::Finding;
use super::tree::{TextFile, Tree};

/// Text and how to mend it. Written in parts, so that this file does not hold them.
const BANNED: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "do it, or say what is not done where users look for it"),
    (concat!("FIX", "ME"), "do it, or say what is not done where users look for it"),
    (concat!("/wo", "rk/"), MACHINE),
    (concat!("/ro", "ot/"), MACHINE),
    (concat!("/ho", "me/"), MACHINE),
    (concat!("/t", "mp/"), MACHINE),
    (concat!("registry.", "npmjs"), REGISTRY),
    (concat!("registry.", "yarnpkg"), REGISTRY),
    (concat!("arti", "factory"), REGISTRY),
    (concat!("files.", "pythonhosted"), REGISTRY),
    (concat!("assis", "tant"), "say what the program does, not who wrote it"),
];
const MACHINE: &str = "a path of one machine: take it from an argument or the environment";
const REGISTRY: &str = "a package registry's host: let the client's configuration name it";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files.iter().flat_map(findings_in).collect()
}

fn findings_in(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for (text, how) in BANNED {
            if holds_alone(line, text) {
                findings.push(file.finding(number, format!("`{text}`: {how}")));
            }
        }
        if line.ends_with([' ', '\t']) {
            findings.push(file.finding(number, "white space at the end of the line"));
        }
    }
    // The bytes of a corpus are input to parsers: a line break would be another input.
    let is_input = file.path.starts_with("fuzz/corpus/");
    if !is_input && !file.text.is_empty() && !file.text.ends_with('\n') {
        findings.push(file.finding(file.text.lines().count(), "the last line has no line break"));
    }
    findings
}

/// Whether the line holds the text where no word runs into it.
fn holds_alone(line: &str, text: &str) -> bool {
    line.match_indices(text).any(|(at, _)| {
        !line.get(..at).unwrap_or_default().ends_with(|c: char| c.is_alphanumeric() || c == '-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_not_stand_in_a_file_is_found() {
        for (text, count) in [
            ("fine\n".to_owned(), 0),
            (String::new(), 0),
            ("no end".to_owned(), 1),
            ("blank \n\t\n".to_owned(), 2),
            (format!("// {}: later\n", concat!("TO", "DO")), 1),
            (format!("cd {}x\n", concat!("/ro", "ot/")), 1),
            (format!("/Client{}_history\n", concat!("/ro", "ot/")), 0),
            (format!("https://{}.org\n", concat!("registry.", "npmjs")), 1),
        ] {
            assert_eq!(check(&Tree::of(&[("x.md", &text)])).len(), count, "{text}");
        }
    }
}
