//! The element tables: one row for each type and each backbone element.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{items, text};

const STRUCTURE: &str = "http://hl7.org/fhir/StructureDefinition/";
const FHIR_TYPE: &str = "structuredefinition-fhir-type";

/// Rows `[name, base, [element …]]` with elements as `name min..max type|type(target,target)`.
/// A row leaves out the elements that are its base's, unchanged.
pub(super) fn rows(definitions: &BTreeMap<String, Value>) -> Result<Vec<Value>> {
    let mut tables = BTreeMap::new();
    for definition in definitions.values().filter(|d| is_type(d)) {
        read(definition, &mut tables)?;
    }
    let mut rows = Vec::new();
    for (name, table) in &tables {
        let inherited = inherited(&tables, &table.base)?;
        let own: Vec<&String> =
            table.elements.iter().filter(|element| !inherited.contains(*element)).collect();
        rows.push(json!([name, table.base, own]));
    }
    Ok(rows)
}

struct Table {
    base: String,
    elements: Vec<String>,
}

/// Resources and complex types. Profiles, logical models and primitive types are not in the pack.
fn is_type(definition: &Value) -> bool {
    matches!(text(definition, "kind"), "resource" | "complex-type")
        && text(definition, "derivation") != "constraint"
}

fn inherited<'a>(tables: &'a BTreeMap<String, Table>, base: &str) -> Result<BTreeSet<&'a String>> {
    if base.is_empty() {
        return Ok(BTreeSet::new());
    }
    let table = tables.get(base).with_context(|| format!("no type `{base}`"))?;
    Ok(table.elements.iter().collect())
}

fn read(definition: &Value, tables: &mut BTreeMap<String, Table>) -> Result<()> {
    let name = text(definition, "type");
    let base = text(definition, "baseDefinition").trim_start_matches(STRUCTURE);
    let snapshot = definition.get("snapshot").with_context(|| format!("`{name}`: no snapshot"))?;
    let elements = items(snapshot, "element");
    tables.insert(name.to_owned(), Table { base: base.to_owned(), elements: Vec::new() });
    for element in elements {
        let path = text(element, "path");
        let Some((parent, _)) = path.rsplit_once('.') else { continue };
        let is_backbone = has_children(elements, path);
        if is_backbone {
            let base = items(element, "type").first().map(|t| text(t, "code"));
            let base = base.unwrap_or_default().to_owned();
            tables.insert(path.to_owned(), Table { base, elements: Vec::new() });
        }
        let types = match path.strip_prefix(name) {
            _ if is_backbone => path.to_owned(),
            // The tables say `string`, the specification's text (resource.html) says `id`.
            Some(".id") if text(definition, "kind") == "resource" => "id".to_owned(),
            _ => types(element)?,
        };
        let row = row(element, &types)?;
        tables.get_mut(parent).with_context(|| path.to_owned())?.elements.push(row);
    }
    Ok(())
}

fn has_children(elements: &[Value], path: &str) -> bool {
    elements.iter().any(|element| {
        text(element, "path").strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
    })
}

fn row(element: &Value, types: &str) -> Result<String> {
    let path = text(element, "path");
    let (_, name) = path.rsplit_once('.').unwrap_or_default();
    let min = element.get("min").and_then(Value::as_u64).with_context(|| path.to_owned())?;
    Ok(format!("{name} {min}..{} {types}", text(element, "max")))
}

fn types(element: &Value) -> Result<String> {
    if let Some(path) = text(element, "contentReference").strip_prefix('#') {
        return Ok(path.to_owned());
    }
    let path = text(element, "path");
    let names: Result<Vec<String>> =
        items(element, "type").iter().map(|t| type_name(t, path)).collect();
    Ok(names?.join("|"))
}

fn type_name(element_type: &Value, path: &str) -> Result<String> {
    let code = text(element_type, "code");
    if code.starts_with("http:") {
        let named =
            items(element_type, "extension").iter().find(|e| text(e, "url").ends_with(FHIR_TYPE));
        let Some(named) = named else { bail!("`{path}`: no FHIR type for `{code}`") };
        return Ok(text(named, "valueUrl").to_owned());
    }
    let targets: Vec<&str> = items(element_type, "targetProfile")
        .iter()
        .filter_map(Value::as_str)
        .filter_map(|url| url.strip_prefix(STRUCTURE))
        .filter(|target| *target != "Resource")
        .collect();
    if targets.is_empty() {
        Ok(code.to_owned())
    } else {
        Ok(format!("{code}({})", targets.join(",")))
    }
}
