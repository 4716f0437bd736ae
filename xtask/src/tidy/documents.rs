//! That documents and code name the same settings, and that every decision record is linked.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::{TextFile, Tree};

const SETTINGS_PAGE: &str = "docs/settings.md";
const DECISIONS: &str = "docs/decisions/";
const DECISIONS_PAGE: &str = "docs/decisions/README.md";
/// In front of every setting's name in the environment.
const PREFIX: &str = "FIREWARDEN_";

/// Every setting the server reads is on the settings page, and nothing else is.
pub(super) fn check_settings(tree: &Tree) -> Vec<Finding> {
    let is_setting_file = |file: &&TextFile| {
        file.path == "crates/server/src/settings.rs"
            || file.path.starts_with("crates/server/src/settings/")
    };
    let read = settings_in(tree.rust_files().filter(is_setting_file));
    let documented = settings_in(tree.file(SETTINGS_PAGE));
    let undocumented = read.iter().filter(|(name, _)| !documented.contains_key(*name));
    let unread = documented.iter().filter(|(name, _)| !read.contains_key(*name));
    undocumented
        .map(|(name, (file, line))| {
            file.finding(*line, format!("`{name}` is not described in {SETTINGS_PAGE}"))
        })
        .chain(unread.map(|(name, (file, line))| {
            file.finding(*line, format!("the server reads no setting `{name}`"))
        }))
        .collect()
}

/// Names of settings with where each is first named; `NAME_FILE` is `NAME` read from a file.
fn settings_in<'tree>(
    files: impl IntoIterator<Item = &'tree TextFile>,
) -> BTreeMap<String, (&'tree TextFile, usize)> {
    let mut settings = BTreeMap::new();
    for file in files {
        for (number, line) in file.production_lines() {
            for after in line.split(PREFIX).skip(1) {
                let rest: String =
                    after.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
                let name = rest.strip_suffix("_FILE").unwrap_or(&rest);
                if !name.is_empty() {
                    settings.entry(format!("{PREFIX}{name}")).or_insert((file, number));
                }
            }
        }
    }
    settings
}

/// Every decision record is linked from the list of them, under its own name.
pub(super) fn check_decisions(tree: &Tree) -> Vec<Finding> {
    let list = tree.file(DECISIONS_PAGE).map_or("", |file| file.text.as_str());
    let records = tree.files.iter().filter_map(|file| {
        let name = file.path.strip_prefix(DECISIONS)?;
        (name.ends_with(".md") && name.starts_with(|c: char| c.is_ascii_digit()))
            .then_some((file, name))
    });
    records
        .filter(|(_, name)| !list.contains(&format!("({name})")))
        .map(|(file, _)| file.finding(1, format!("not linked from {DECISIONS_PAGE}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_in_one_place_only_is_found() {
        let code = ("crates/server/src/settings.rs", "\"FIREWARDEN_A\", \"FIREWARDEN_B_C_FILE\"");
        for (page, count) in [
            ("`FIREWARDEN_A`, `FIREWARDEN_B_C`", 0),
            ("`FIREWARDEN_A`", 1),
            ("`FIREWARDEN_A`, `FIREWARDEN_B_C`, `FIREWARDEN_D`", 1),
            ("FIREWARDEN_", 2),
        ] {
            let tree = Tree::of(&[code, (SETTINGS_PAGE, page)]);
            assert_eq!(check_settings(&tree).len(), count, "{page}");
        }
        assert_eq!(check_settings(&Tree::of(&[code])).len(), 2);
    }

    #[test]
    fn a_decision_that_is_not_linked_is_found() {
        let record = ("docs/decisions/0001-record-decisions.md", "");
        assert_eq!(check_decisions(&Tree::of(&[record])).len(), 1);
        let list = (DECISIONS_PAGE, "[Record decisions](0001-record-decisions.md)");
        assert_eq!(check_decisions(&Tree::of(&[record, list])).len(), 0);
    }
}
