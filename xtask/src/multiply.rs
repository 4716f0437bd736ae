//! `multiply-bundles`: as many records as are wanted, out of bundles of real ones, for imports.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// The bundles, where they are not named: beside the repository.
const BUNDLES: &str = "../shared/data/synthea-r4";

/// How many records of what, and where to.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder that the NDJSON files are written to.
    folder: PathBuf,
    /// Resources to write.
    #[arg(long, default_value_t = 100_000)]
    resources: usize,
    /// The folder with the bundles: transactions whose entries have `urn:uuid:` names.
    #[arg(long)]
    bundles: Option<PathBuf>,
    /// Compresses the files.
    #[arg(long)]
    gzip: bool,
}

/// Writes one NDJSON file for each type. The first round has the ids of the bundles, each further
/// one new ids, and references follow.
pub(crate) fn write(arguments: &Arguments, workspace: &Path) -> anyhow::Result<()> {
    let folder = arguments.bundles.clone().unwrap_or_else(|| workspace.join(BUNDLES));
    if !folder.is_dir() {
        bail!("there are no bundles in `{}`: name their folder with --bundles", folder.display());
    }
    let records = records(&folder)?;
    if records.is_empty() {
        bail!("there are no resources in the bundles of `{}`", folder.display());
    }
    std::fs::create_dir_all(&arguments.folder)?;
    let mut files: BTreeMap<&str, Box<dyn Write>> = BTreeMap::new();
    let mut written = 0;
    'rounds: for round in 0.. {
        for Record { resource_type, text, names, .. } in &records {
            if written >= arguments.resources {
                break 'rounds;
            }
            let line = renamed(text, names, round);
            let file = match files.entry(resource_type.as_str()) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(file(arguments, resource_type)?)
                }
            };
            file.write_all(line.as_bytes())?;
            file.write_all(b"\n")?;
            written += 1;
        }
    }
    for file in files.values_mut() {
        file.flush()?;
    }
    writeln!(std::io::stdout(), "{written} resources of {} types", files.len())?;
    Ok(())
}

fn file(arguments: &Arguments, resource_type: &str) -> anyhow::Result<Box<dyn Write>> {
    let gz = if arguments.gzip { ".gz" } else { "" };
    let path = arguments.folder.join(format!("{resource_type}.ndjson{gz}"));
    let file = File::create(&path).with_context(|| format!("`{}`", path.display()))?;
    let writer = BufWriter::with_capacity(1 << 18, file);
    // A gzip file is finished when it is dropped.
    Ok(if arguments.gzip {
        Box::new(GzEncoder::new(writer, Compression::fast()))
    } else {
        Box::new(writer)
    })
}

/// A resource of a bundle, in one line.
struct Record {
    resource_type: String,
    id: String,
    text: String,
    /// Where in it the ids of resources stand.
    names: Vec<usize>,
}

/// The characters of a UUID.
const UUID_LENGTH: usize = 36;

fn records(folder: &Path) -> anyhow::Result<Vec<Record>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    // Those that others refer to come first.
    paths.sort_by_key(|path| (!path.to_string_lossy().contains("Information"), path.clone()));
    let mut records = Vec::new();
    for path in paths {
        let bundle: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
        records.extend(of_bundle(&bundle).with_context(|| format!("`{}`", path.display()))?);
    }
    // Some stand in more than one bundle.
    let mut seen = HashSet::new();
    records.retain(|record: &Record| seen.insert(record.id.clone()));
    let types: HashMap<String, String> = records
        .iter()
        .map(|record: &Record| (record.id.clone(), record.resource_type.clone()))
        .collect();
    for record in &mut records {
        record.text = resolved(&record.text, &types);
        record.names = names(&record.text, &types);
    }
    Ok(records)
}

/// The text with references to entries as `Type/id`.
fn resolved(text: &str, types: &HashMap<String, String>) -> String {
    let mut parts = text.split("urn:uuid:");
    let mut resolved = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..UUID_LENGTH).and_then(|id| types.get(id)) {
            Some(resource_type) => {
                resolved.push_str(resource_type);
                resolved.push('/');
            }
            None => resolved.push_str("urn:uuid:"),
        }
        resolved.push_str(part);
    }
    resolved
}

/// The resources of a bundle, each with the id of its entry.
fn of_bundle(bundle: &Value) -> anyhow::Result<Vec<Record>> {
    let entries = bundle.get("entry").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut records = Vec::new();
    for entry in entries {
        let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str);
        let resource_type = text("/resource/resourceType").context("no `resourceType`")?.to_owned();
        let full_url = text("/fullUrl").and_then(|url| url.strip_prefix("urn:uuid:"));
        let id = full_url.context("an entry without a `urn:uuid:`")?.to_owned();
        let mut resource = entry.get("resource").cloned().unwrap_or_default();
        if let Some(members) = resource.as_object_mut() {
            members.insert("id".to_owned(), id.as_str().into());
        }
        let text = resource.to_string();
        records.push(Record { resource_type, id, text, names: Vec::new() });
    }
    Ok(records)
}

/// Where ids of resources stand in a text.
fn names(text: &str, ids: &HashMap<String, String>) -> Vec<usize> {
    let is_id =
        |at: &usize| text.get(*at..at + UUID_LENGTH).is_some_and(|part| ids.contains_key(part));
    (0..text.len().saturating_sub(UUID_LENGTH)).filter(is_id).collect()
}

/// The text with the ids of that round in the place of those of the first one.
fn renamed(text: &str, names: &[usize], round: usize) -> String {
    let mut renamed = String::with_capacity(text.len());
    let mut from = 0;
    for name in names {
        renamed.push_str(text.get(from..*name).unwrap_or_default());
        let id = text.get(*name..name + UUID_LENGTH).unwrap_or_default();
        renamed.push_str(&id_of_round(id, round));
        from = name + UUID_LENGTH;
    }
    renamed.push_str(text.get(from..).unwrap_or_default());
    renamed
}

/// The id that another one becomes in a round: a UUID that looks like any other, since ids that
/// differ in their last digits alone would lie beside each other in an index.
fn id_of_round(id: &str, round: usize) -> String {
    if round == 0 {
        return id.to_owned();
    }
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{round} {id}").as_bytes());
    let hex: String = digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_round_has_ids_of_its_own_and_references_follow() {
        let (one, other) =
            ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002");
        let bundle = json!({"entry": [
            {"fullUrl": format!("urn:uuid:{one}"), "resource": {"resourceType": "Patient", "id": one}},
            {"fullUrl": format!("urn:uuid:{other}"), "resource": {"resourceType": "Observation",
                "subject": {"reference": format!("urn:uuid:{one}")}}},
        ]});
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.json"), bundle.to_string()).unwrap();
        let records = records(folder.path()).unwrap();
        let round = |number| -> Vec<Value> {
            let text = |record: &Record| renamed(&record.text, &record.names, number);
            records.iter().map(|record| serde_json::from_str(&text(record)).unwrap()).collect()
        };
        assert_eq!(round(0)[0]["id"], one);
        assert_eq!(round(0)[1]["subject"]["reference"], format!("Patient/{one}"));
        let third = round(3);
        assert_ne!(third[0]["id"], one);
        assert_ne!(third[0]["id"], round(2)[0]["id"]);
        let patient = third[0]["id"].as_str().unwrap();
        assert_eq!(third[1]["subject"]["reference"], format!("Patient/{patient}"));
    }
}
