//! That a request is decided in one place: `access::decide` has one caller.

use super::Finding;
use super::tree::{TextFile, Tree};

/// The one file of the program that may decide.
const DECIDING_FILE: &str = "crates/server/src/pipeline.rs";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let callers = tree.rust_files().filter(|file| is_outside_access(file) && !file.is_test());
    for (file, line) in callers.flat_map(|file| calls(file).map(move |line| (file, line))) {
        if file.path != DECIDING_FILE {
            let what = format!("only {DECIDING_FILE} calls `access::decide`; be given a permit");
            findings.push(file.finding(line, what));
        }
    }
    if let Some(pipeline) = tree.file(DECIDING_FILE) {
        let count = calls(pipeline).count();
        if count != 1 {
            let what = format!("`decide` is called {count} times; every request passes one call");
            findings.push(pipeline.finding(1, what));
        }
    }
    findings
}

fn is_outside_access(file: &TextFile) -> bool {
    file.path.starts_with("crates/") && !file.path.starts_with("crates/access/")
}

fn calls(file: &TextFile) -> impl Iterator<Item = usize> {
    let is_call = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        code.match_indices("decide(").any(|(at, _)| {
            let before = code.get(..at).unwrap_or_default();
            !before.ends_with(|c: char| c.is_alphanumeric() || c == '_') && !before.ends_with("fn ")
        })
    };
    file.production_lines().filter(move |(_, line)| is_call(line)).map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_caller_of_decide_is_found() {
        let once = "let permitted = decide(&policies, &caller, interaction, &facts)?;\n";
        let tested = "#[cfg(test)]\nmod tests {\n    decide(1);\n}\n";
        for (files, count) in [
            (&[(DECIDING_FILE, once)][..], 0),
            (&[(DECIDING_FILE, &format!("{once}{tested}"))], 0),
            (&[(DECIDING_FILE, &format!("{once}{once}"))], 1),
            (&[(DECIDING_FILE, "// decide()\nundecide()\nfn decide() {}")], 1),
            (&[(DECIDING_FILE, once), ("crates/server/src/route.rs", "access::decide()")], 1),
            (&[(DECIDING_FILE, once), ("crates/store/tests/it/main.rs", once)], 0),
            (&[(DECIDING_FILE, once), ("crates/store/benches/rows.rs", once)], 0),
            (&[(DECIDING_FILE, once), ("crates/access/src/decide.rs", once)], 0),
            (&[("crates/server/src/lib.rs", "")], 0),
        ] {
            assert_eq!(check(&Tree::of(files)).len(), count, "{files:?}");
        }
    }
}
