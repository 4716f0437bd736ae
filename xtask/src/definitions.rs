//! Writes the definitions pack that is part of `firewarden-fhir` from FHIR R4's official package.

mod compartments;
mod elements;
mod parameters;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use flate2::{Compression, GzBuilder};
use serde_json::Value;

/// HL7's own package, under CC0. It holds every resource that the specification publishes, so its
/// StructureDefinition, SearchParameter and CompartmentDefinition resources are the official ones.
const PACKAGE: &str = "hl7.fhir.r4.examples@4.0.1";
const PACK: &str = "crates/fhir/definitions/r4.json.gz";

/// What `xtask definitions` is told.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The unpacked package, when it is already there; npm fetches it otherwise.
    #[arg(long)]
    package: Option<PathBuf>,
}

/// Reads the package and writes the pack, the same bytes every time.
pub(crate) fn write(arguments: &Arguments) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let folder = match &arguments.package {
        Some(folder) => folder.clone(),
        None => fetch(scratch.path())?,
    };
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PACK);
    let text = pack_text(&folder)?;
    let file = fs::File::create(&pack).with_context(|| pack.display().to_string())?;
    // No file name and no time, so that equal text gives equal bytes.
    let mut gzip = GzBuilder::new().write(file, Compression::best());
    gzip.write_all(text.as_bytes())?;
    gzip.finish()?;
    Ok(())
}

fn fetch(scratch: &Path) -> Result<PathBuf> {
    run(Command::new("npm").args(["pack", "--silent", PACKAGE]).current_dir(scratch))?;
    let archive = fs::read_dir(scratch)?.next().context("npm wrote no archive")??.path();
    run(Command::new("tar").arg("-xzf").arg(archive).current_dir(scratch))?;
    Ok(scratch.join("package"))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "`{command:?}` failed");
    Ok(())
}

fn pack_text(folder: &Path) -> Result<String> {
    let types = elements::rows(&read_all(folder, "StructureDefinition")?)?;
    let parameters = parameters::rows(&read_all(folder, "SearchParameter")?)?;
    let compartments = compartments::rows(&read_all(folder, "CompartmentDefinition")?)?;
    Ok(format!(
        "{{\"types\":{},\n\"parameters\":{},\n\"compartments\":{}}}\n",
        lines(&types),
        lines(&parameters),
        lines(&compartments)
    ))
}

/// A JSON array with one row a line, so that two packs can be compared.
fn lines(rows: &[Value]) -> String {
    let rows: Vec<String> = rows.iter().map(Value::to_string).collect();
    format!("[\n{}\n]", rows.join(",\n"))
}

/// Every resource of a type in the package, by its canonical URL.
fn read_all(folder: &Path, resource_type: &str) -> Result<BTreeMap<String, Value>> {
    let mut resources = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.starts_with(&format!("{resource_type}-")) || !name.ends_with(".json") {
            continue;
        }
        let resource: Value =
            serde_json::from_slice(&fs::read(&path)?).with_context(|| name.to_owned())?;
        let url = text(&resource, "url").to_owned();
        if resources.insert(url.clone(), resource).is_some() {
            bail!("two of `{url}`");
        }
    }
    ensure!(!resources.is_empty(), "no {resource_type} in `{}`", folder.display());
    Ok(resources)
}

/// A member's text, empty when it has none.
fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    object.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// A member's items, none when it has none.
fn items<'a>(object: &'a Value, member: &str) -> &'a [Value] {
    object.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The texts of a member's items.
fn texts<'a>(object: &'a Value, member: &str) -> Vec<&'a str> {
    items(object, member).iter().filter_map(Value::as_str).collect()
}
