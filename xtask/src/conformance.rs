//! Runs public test vectors: Wycheproof's signatures through the verifier of tokens, the suite of
//! JSON Schema draft 7 through the engine of policies.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use firewarden_identity::jws;
use serde_json::Value;

/// Vectors whose key says another `alg` than the token, and which are called valid all the same:
/// we take no key for what it was not made for.
const LEFT_OUT: [u64; 4] = [346, 347, 350, 351];
/// Vectors that cannot be right, for which the other answer is held. 367 and 370 are called invalid
/// and are, byte for byte, 357, which is valid. 372 and 373 are called valid and have a `?` that is
/// not in the alphabet, and that the signature does not cover (RFC 7515 section 2).
const REVERSED: [u64; 4] = [367, 370, 372, 373];
const SIGNATURES: &str = "wycheproof/json_web_signature_test.json";
const SCHEMAS: &str = "json-schema-draft7";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder of the vectors; by default `shared/data` beside the repository.
    #[arg(long)]
    data: Option<PathBuf>,
}

pub(crate) fn check(arguments: &Arguments, workspace: &Path) -> anyhow::Result<()> {
    let data = arguments.data.clone().or_else(|| beside(workspace));
    let Some(data) = data.filter(|data| data.is_dir()) else {
        bail!("there are no vectors: name their folder with --data");
    };
    let signatures = signatures(&data.join(SIGNATURES))?;
    let schemas = schemas(&data.join(SCHEMAS), workspace)?;
    if signatures && schemas { Ok(()) } else { bail!("not all vectors agree") }
}

/// `shared/data` beside the repository, or beside the folder of its worktree.
fn beside(workspace: &Path) -> Option<PathBuf> {
    let above = workspace.ancestors().skip(1).take(2);
    above.map(|folder| folder.join("shared/data")).find(|data| data.is_dir())
}

fn signatures(path: &Path) -> anyhow::Result<bool> {
    if !path.is_file() {
        say(&format!("signatures: not run, there is no {}", path.display()));
        return Ok(true);
    }
    let text = std::fs::read(path).with_context(|| path.display().to_string())?;
    let suite: Value = serde_json::from_slice(&text)?;
    let (mut agree, mut left_out, mut disagree) = (0, 0, Vec::new());
    for group in members(&suite, "testGroups") {
        // A group with a shared secret has no public key.
        let jwk = group.get("public").or_else(|| group.get("private"));
        let jwk = jwk.and_then(Value::as_object).context("a group without a key")?;
        for test in members(group, "tests") {
            let id = test.get("tcId").and_then(Value::as_u64).context("a test without id")?;
            let token = test.get("jws").and_then(Value::as_str).context("a test without JWS")?;
            let valid = test.get("result").is_some_and(|result| result == "valid");
            let expected = valid != REVERSED.contains(&id);
            if LEFT_OUT.contains(&id) {
                left_out += 1;
            } else if jws::verify(token, jwk).is_ok() == expected {
                agree += 1;
            } else {
                disagree.push(id);
            }
        }
    }
    let against = disagree.len();
    let reversed = REVERSED.len();
    say(&format!(
        "signatures: {agree} agree ({reversed} of them reversed), {against} disagree, {left_out} left out"
    ));
    if !disagree.is_empty() {
        say(&format!("signatures: these disagree: {disagree:?}"));
    }
    Ok(disagree.is_empty() && agree > 0)
}

fn members<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// The engine belongs to a crate that chores do not see; its own test reads the suite.
fn schemas(folder: &Path, workspace: &Path) -> anyhow::Result<bool> {
    if !folder.is_dir() {
        say(&format!("schemas: not run, there is no {}", folder.display()));
        return Ok(true);
    }
    let status = Command::new("cargo")
        .args(["test", "--quiet", "--package", "firewarden-access", "--lib"])
        .args(["the_published_tests", "--", "--nocapture"])
        .env("FIREWARDEN_JSON_SCHEMA_TESTS", std::path::absolute(folder)?)
        .current_dir(workspace)
        .status()
        .context("cargo")?;
    say(&format!("schemas: {}", if status.success() { "agree" } else { "disagree" }));
    Ok(status.success())
}

#[expect(clippy::print_stdout, reason = "a chore answers on standard output")]
fn say(text: &str) {
    println!("{text}");
}
