//! That every Rust file says its job in its first line, and a module's face has the module's name.

use super::Finding;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust_files() {
        if !file.text.starts_with("//! ") {
            findings.push(file.finding(1, "say the file's job in a first line `//! …`"));
        }
        if let Some(folder) = file.path.strip_suffix("/mod.rs") {
            findings.push(file.finding(1, format!("call it {folder}.rs")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_job_or_a_name_is_found() {
        for (path, text, count) in [
            ("x.rs", "//! Its job.\n", 0),
            ("x.rs", "use std;\n//! Late.\n", 1),
            ("x.rs", "", 1),
            ("src/x/mod.rs", "//! Its job.\n", 1),
        ] {
            assert_eq!(check(&Tree::of(&[(path, text)])).len(), count, "{path} {text}");
        }
    }
}
