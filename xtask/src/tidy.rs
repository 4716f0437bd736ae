//! The house rules that a program can check; `cargo test` runs them too.

mod crate_edges;
mod decision;
mod documents;
mod lengths;
mod names;
mod rust_files;
mod texts;
mod tree;

use std::fmt;
use std::io::Write as _;
use std::path::Path;

use tree::Tree;

/// A place that breaks a rule, and how to mend it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

const CHECKS: &[fn(&Tree) -> Vec<Finding>] = &[
    crate_edges::check,
    decision::check,
    documents::check_decisions,
    documents::check_settings,
    lengths::check,
    names::check,
    rust_files::check,
    texts::check,
];

/// Prints every finding below the folder; fails if there is one.
pub(crate) fn report(folder: &Path) -> anyhow::Result<()> {
    let findings = findings(&Tree::read(folder)?);
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    anyhow::ensure!(findings.is_empty(), "{} findings", findings.len());
    Ok(())
}

fn findings(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = CHECKS.iter().flat_map(|check| check(tree)).collect();
    findings.sort();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_tidy() {
        let findings = findings(&Tree::read(crate::workspace()).unwrap());
        let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
        assert!(lines.is_empty(), "\n{}", lines.join("\n"));
    }
}
