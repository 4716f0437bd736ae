//! The policies of a file: one, a list of them, or a Bundle.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use firewarden_fhir::{json, yaml};
use serde_json::{Map, Value};

use crate::limits::POLICY_FILE_BYTES_MAX;

/// One policy of a file.
pub(crate) struct PolicyInFile {
    /// `AccessPolicy/id`, or where it stands where it has no id.
    pub(crate) name: String,
    /// Its content.
    pub(crate) content: Map<String, Value>,
}

/// Reads the policies of a file, which is JSON if its name says so, and YAML otherwise. Resources
/// of other types are passed over.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<PolicyInFile>> {
    policies(value(path)?).with_context(|| format!("`{}`", path.display()))
}

/// Reads every resource of a file, as [`read`] reads policies.
pub(crate) fn resources(path: &Path) -> anyhow::Result<Vec<Value>> {
    let typed = |mut resource: Value| {
        if let Some(content) = resource.as_object_mut() {
            content.remove("warnings");
            content.entry("resourceType").or_insert_with(|| "AccessPolicy".into());
        }
        resource
    };
    Ok(all(value(path)?).into_iter().map(typed).collect())
}

fn value(path: &Path) -> anyhow::Result<Value> {
    let file = File::open(path).with_context(|| format!("`{}`", path.display()))?;
    let mut text = Vec::new();
    file.take(POLICY_FILE_BYTES_MAX + 1)
        .read_to_end(&mut text)
        .with_context(|| format!("`{}`", path.display()))?;
    if u64::try_from(text.len())? > POLICY_FILE_BYTES_MAX {
        bail!("`{}` is larger than {POLICY_FILE_BYTES_MAX} bytes", path.display());
    }
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    if is_json {
        json::parse(&text).with_context(|| format!("`{}` is not JSON", path.display()))
    } else {
        yaml::parse(&text).with_context(|| format!("`{}` is not YAML", path.display()))
    }
}

fn all(mut value: Value) -> Vec<Value> {
    let is_bundle = value.get("resourceType").is_some_and(|of| *of == "Bundle");
    if is_bundle {
        let entries = value.get_mut("entry").and_then(Value::as_array_mut);
        let entries = entries.into_iter().flatten();
        entries.filter_map(|entry| entry.get_mut("resource").map(Value::take)).collect()
    } else if let Value::Array(items) = value {
        items
    } else {
        vec![value]
    }
}

fn policies(value: Value) -> anyhow::Result<Vec<PolicyInFile>> {
    all(value)
        .into_iter()
        .enumerate()
        .filter_map(|(index, one)| policy(index, one).transpose())
        .collect()
}

/// A resource without a type is a policy: the file was given as one of policies.
fn policy(index: usize, resource: Value) -> anyhow::Result<Option<PolicyInFile>> {
    let Value::Object(mut content) = resource else {
        bail!("the resource {} is not an object", index + 1);
    };
    let is_other = content.get("resourceType").is_some_and(|of| *of != "AccessPolicy");
    // What an answer of a server carries beside the policy.
    content.remove("warnings");
    let name = match content.get("id").and_then(Value::as_str) {
        Some(id) => format!("AccessPolicy/{id}"),
        None => format!("the resource {}", index + 1),
    };
    Ok((!is_other).then_some(PolicyInFile { name, content }))
}
