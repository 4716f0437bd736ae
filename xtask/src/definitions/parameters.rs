//! The search parameters: one row for each, with its expression in each type it searches.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};

use super::{text, texts};

/// Defined beside the resources: on extensions and profiles, or as an example.
const NOT_OF_R4: [&str; 3] = ["-extensions-", "-genetic-", "SearchParameter/example"];
/// Those select no value in a resource (text and query), or are the server's own (id, time).
const NOT_ELEMENTS: [&str; 6] = ["_content", "_filter", "_id", "_lastUpdated", "_query", "_text"];

/// Rows `[code, url, type, {base: expression}, [target …]]`.
pub(super) fn rows(definitions: &BTreeMap<String, Value>) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    for (url, definition) in definitions {
        let code = text(definition, "code");
        if NOT_OF_R4.iter().any(|part| url.contains(part)) || NOT_ELEMENTS.contains(&code) {
            continue;
        }
        let mut expressions = Map::new();
        for base in texts(definition, "base") {
            let expression = restricted(text(definition, "expression"), base);
            ensure!(
                !expression.is_empty() || text(definition, "type") == "special",
                "`{url}`: no expression in `{base}`"
            );
            expressions.insert(base.to_owned(), expression.into());
        }
        let mut targets = texts(definition, "target");
        targets.sort_unstable();
        rows.push(json!([code, url, text(definition, "type"), expressions, targets]));
    }
    Ok(rows)
}

/// The alternatives of a union that begin in the type, or in none (`name | alias`).
fn restricted(union: &str, base: &str) -> String {
    let begins_here = |alternative: &&str| {
        let root = alternative.trim_start_matches('(');
        let root = root.split(['.', ' ', ')']).next().unwrap_or_default();
        root == base || root.starts_with(|c: char| c.is_ascii_lowercase())
    };
    let alternatives: Vec<&str> = alternatives(union).into_iter().filter(begins_here).collect();
    alternatives.join(" | ")
}

/// Splits at each `|` outside parentheses.
fn alternatives(union: &str) -> Vec<&str> {
    let mut depth = 0;
    union
        .split(|c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == '|' && depth == 0
        })
        .map(str::trim)
        .filter(|alternative| !alternative.is_empty())
        .collect()
}
