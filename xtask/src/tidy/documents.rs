//! That documents and code name the same settings, and that every decision record is linked.

use std::collections::BTreeMap;

use super::Finding;
use super::tree::{TextFile, Tree};

const SETTINGS_LIST: &str = "crates/server/src/settings.rs";
const SETTINGS_PAGE: &str = "docs/settings.md";
const DECISIONS: &str = "docs/decisions/";
const DECISIONS_PAGE: &str = "docs/decisions/README.md";

/// Every setting of the server's list is on the settings page, and nothing else is.
pub(super) fn check_settings(tree: &Tree) -> Vec<Finding> {
    let listed = settings_in(tree.file(SETTINGS_LIST), &["setting(\"", "secret(\""]);
    let documented = settings_in(tree.file(SETTINGS_PAGE), &["FIREWARDEN_"]);
    let undocumented = listed.iter().filter(|(name, _)| !documented.contains_key(*name));
    let unlisted = documented.iter().filter(|(name, _)| !listed.contains_key(*name));
    undocumented
        .map(|(name, (file, line))| {
            let what = format!("`FIREWARDEN_{name}` is not described in {SETTINGS_PAGE}");
            file.finding(*line, what)
        })
        .chain(unlisted.map(|(name, (file, line))| {
            let what = format!("there is no setting `FIREWARDEN_{name}` in {SETTINGS_LIST}");
            file.finding(*line, what)
        }))
        .collect()
}

/// Names of settings without their prefix, with where each is first named after one of these
/// marks; `NAME_FILE` is `NAME` read from a file.
fn settings_in<'tree>(
    file: Option<&'tree TextFile>,
    marks: &[&str],
) -> BTreeMap<String, (&'tree TextFile, usize)> {
    let mut settings = BTreeMap::new();
    let Some(file) = file else { return settings };
    for (number, line) in file.production_lines() {
        for after in marks.iter().flat_map(|mark| line.split(mark).skip(1)) {
            let name: String =
                after.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
            let name = name.strip_suffix("_FILE").unwrap_or(&name);
            if !name.is_empty() {
                settings.entry(name.to_owned()).or_insert((file, number));
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
        let list = "    setting(\"A\", \"One\"),\n    secret(\"B_C\", \"Other\"),\n";
        let code = (SETTINGS_LIST, list);
        for (page, count) in [
            ("`FIREWARDEN_A`, `FIREWARDEN_B_C_FILE`", 0),
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
