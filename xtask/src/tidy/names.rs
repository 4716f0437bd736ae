//! Words that say nothing, kept out of the names of files and items.

use super::Finding;
use super::tree::Tree;

// Not `data`: FHIR has data types, and a User its `data`.
const BANNED: &[&str] = &[
    "manager", "service", "helper", "helpers", "util", "utils", "common", "context", "info",
    "process", "do", "misc",
];
/// What stands in front of an item's name.
const ITEMS: &[&str] = &["fn", "struct", "enum", "trait", "mod", "type", "const", "static"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust_files() {
        let stem = file.path.trim_end_matches(".rs");
        if let Some(word) = stem.split('/').find_map(banned_word) {
            findings.push(file.finding(1, format!("`{word}` in a path says nothing: {HOW}")));
        }
        for (number, line) in file.lines() {
            let Some(name) = item_name(line) else {
                continue;
            };
            if let Some(word) = banned_word(name) {
                let what = format!("`{word}` in `{name}` says nothing: {HOW}");
                findings.push(file.finding(number, what));
            }
        }
    }
    findings
}

const HOW: &str = "name the thing or the act";

/// The name of the item that the line begins to define.
fn item_name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| {
        word.starts_with("pub") || matches!(*word, "async" | "unsafe") || is_const_of_fn(word, line)
    });
    let item = words.next()?;
    let name = words.next()?.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    ITEMS.contains(&item).then_some(name)
}

fn is_const_of_fn(word: &str, line: &str) -> bool {
    word == "const" && line.contains("const fn ")
}

fn banned_word(name: &str) -> Option<&'static str> {
    let words = words_of(name);
    BANNED.iter().find(|banned| words.iter().any(|word| word == *banned)).copied()
}

/// The words of a `snake_case`, `kebab-case` or `CamelCase` name, in lower case.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && after_lower) {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
        after_lower = c.is_lowercase();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_says_nothing_is_found() {
        for (line, found) in [
            ("pub struct PolicyManager {", true),
            ("    pub(crate) async fn process_request<T>(", true),
            ("pub const fn do_it() {}", true),
            ("const CONTEXT_MAX: usize = 1;", true),
            ("mod utils;", true),
            ("fn decide() {}", false),
            ("    let context = 1;", false),
            ("use tower::Service;", false),
            ("impl Service for X {", false),
            ("fn redo_information() {}", false),
            ("// fn info()", false),
        ] {
            assert_eq!(!check(&Tree::of(&[("x.rs", line)])).is_empty(), found, "{line}");
        }
        assert_eq!(check(&Tree::of(&[("crates/x/src/auth_helper.rs", "")])).len(), 1);
        assert_eq!(check(&Tree::of(&[("crates/common/src/lib.rs", "")])).len(), 1);
    }
}
