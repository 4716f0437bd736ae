//! Which of our crates may depend on which: a crate exists to forbid something.

use super::Finding;
use super::tree::{TextFile, Tree};

/// Each crate with all it may name, in programs and in tests.
const ALLOWED: &[(&str, &[&str])] = &[
    ("fhir", &[]),
    ("access", &["fhir"]),
    ("identity", &["access", "fhir"]),
    ("store", &["access", "fhir"]),
    ("interactions", &["store", "access", "fhir"]),
    ("server", &["interactions", "identity", "store", "access", "fhir"]),
    ("cli", &["server", "identity", "access", "fhir"]),
    ("testkit", &["fhir"]),
];
const XTASK: &[&str] = &["identity", "fhir"];
/// What any crate may use in its tests.
const TESTKIT: &str = "firewarden-testkit";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files.iter().flat_map(findings_in).collect()
}

fn findings_in(file: &TextFile) -> Vec<Finding> {
    let Some(allowed) = allowed_for(&file.path) else { return Vec::new() };
    let allowed = match allowed {
        Ok(allowed) => allowed,
        Err(what) => return vec![file.finding(1, what)],
    };
    let Ok(manifest) = file.text.parse::<toml::Table>() else {
        return vec![file.finding(1, "not a manifest")];
    };
    let mut findings = Vec::new();
    for (section, in_tests) in
        [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
    {
        let dependencies = manifest.get(section).and_then(toml::Value::as_table);
        for name in dependencies.into_iter().flat_map(toml::Table::keys) {
            let Some(ours) = name.strip_prefix("firewarden-") else { continue };
            let may = allowed.contains(&ours) || (in_tests && name == TESTKIT);
            if !may {
                let what = format!(
                    "`{name}` in [{section}] turns the crate graph round; the graph is in \
                     docs/decisions/0002-crate-graph.md"
                );
                findings.push(file.finding(line_of(file, name), what));
            }
        }
    }
    findings
}

/// What the crate of this manifest may depend on; `None` if it is no crate's manifest.
fn allowed_for(path: &str) -> Option<Result<&'static [&'static str], String>> {
    if path == "xtask/Cargo.toml" {
        return Some(Ok(XTASK));
    }
    let name = path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
    let edges = ALLOWED.iter().find(|(of, _)| *of == name).map(|(_, allowed)| *allowed);
    Some(edges.ok_or_else(|| format!("say in {} what `{name}` may depend on", file!())))
}

fn line_of(file: &TextFile, dependency: &str) -> usize {
    file.lines().find(|(_, line)| line.starts_with(dependency)).map_or(1, |(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_against_the_graph_is_found() {
        let findings = |path, text| check(&Tree::of(&[(path, text)])).len();
        let store = "crates/store/Cargo.toml";
        assert_eq!(findings(store, "[dependencies]\nfirewarden-access.workspace = true"), 0);
        assert_eq!(findings(store, "[dependencies]\nfirewarden-identity.workspace = true"), 1);
        assert_eq!(findings(store, "[dev-dependencies]\nfirewarden-server.workspace = true"), 1);
        assert_eq!(findings(store, "[dev-dependencies]\nfirewarden-testkit.workspace = true"), 0);
        assert_eq!(findings(store, "[dependencies]\nfirewarden-testkit.workspace = true"), 1);
        assert_eq!(findings("crates/unheard_of/Cargo.toml", ""), 1);
        assert_eq!(findings("Cargo.toml", "[dependencies]\nfirewarden-x = '1'"), 0);
    }
}
