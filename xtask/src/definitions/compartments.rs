//! The compartments: which parameters tie a type to each.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::{items, text, texts};

/// Rows `[compartment, {member: [code …]}]`. A member's own `{def}` is left out: that a resource
/// is in its own compartment needs no parameter.
pub(super) fn rows(definitions: &BTreeMap<String, Value>) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    for (url, definition) in definitions {
        let code = text(definition, "code");
        // The package also carries an example of a CompartmentDefinition.
        if url.rsplit('/').next().is_none_or(|name| !name.eq_ignore_ascii_case(code)) {
            continue;
        }
        let mut members = Map::new();
        for member in items(definition, "resource") {
            let codes: Vec<&str> =
                texts(member, "param").into_iter().filter(|code| *code != "{def}").collect();
            if !codes.is_empty() {
                members.insert(text(member, "code").to_owned(), json!(codes));
            }
        }
        rows.push(json!([code, members]));
    }
    Ok(rows)
}
