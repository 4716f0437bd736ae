//! `firewarden policy check`: what it tells of files, and how it ends.

use serde_json::json;
use tempfile::TempDir;

use crate::running::{Said, run};

const SOUND: &str = "\
id: sound
engine: matcho
matcho: {request-method: get, params: {resource/type: Patient}, user: present?}
";
const DOUBTFUL: &str = "\
- id: open
  engine: matcho
  matcho: {user: present?, uri: '#/Encounter.*'}
- resourceType: Patient
  id: passed-over
";
const BROKEN: &str = "{id: broken, engine: matcho, matcho: {user: {$nto: 1}}}";

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": {"resourceType": "AccessPolicy", "id": "inside", "engine": "matcho", "matcho": {}}},
        {"resource": {"resourceType": "User", "id": "u"}},
        {"request": {"method": "DELETE", "url": "AccessPolicy/x"}},
    ]});
    for (name, text) in [
        ("sound.yaml", SOUND.to_owned()),
        ("doubtful.yml", DOUBTFUL.to_owned()),
        ("broken.yaml", BROKEN.to_owned()),
        ("bundle.json", bundle.to_string()),
        ("text.json", "not: json".to_owned()),
        ("text.yaml", "- a text".to_owned()),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn check(arguments: &[&str]) -> Said {
    let folder = folder();
    let arguments: Vec<&str> = ["policy", "check"].iter().chain(arguments).copied().collect();
    run(folder.path(), &arguments, &[])
}

#[test]
fn a_sound_policy_passes() {
    let said = check(&["--deny-warnings", "sound.yaml"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert_eq!(said.out, "1 policies, 0 errors, 0 warnings\n");
}

#[test]
fn a_warning_tells_the_file_the_policy_the_rule_the_place_an_example_and_a_remedy() {
    let said = check(&["doubtful.yml"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let first =
        "doubtful.yml: AccessPolicy/open: warning[unanchored-uri] at AccessPolicy.matcho.uri";
    assert!(said.out.starts_with(first), "{}", said.out);
    assert!(said.out.contains("\n  example: `GET /fhir/Patient/x/Encounter`\n"), "{}", said.out);
    assert!(said.out.contains("\n  remedy: "), "{}", said.out);
    assert!(said.out.ends_with("\n1 policies, 0 errors, 1 warnings\n"), "{}", said.out);
    assert_eq!(check(&["doubtful.yml", "--deny-warnings"]).code, Some(1));
}

#[test]
fn an_error_fails_and_the_other_files_are_told_of_all_the_same() {
    let said = check(&["broken.yaml", "missing.yaml", "text.json", "text.yaml", "bundle.json"]);
    assert_eq!(said.code, Some(1));
    for part in [
        "broken.yaml: AccessPolicy/broken: error[structure] at AccessPolicy.matcho.user.$nto",
        "did you mean `$not`?",
        "error: `missing.yaml`",
        "error: `text.json` is not JSON",
        "error: `text.yaml`: the resource 1 is not an object",
        "bundle.json: AccessPolicy/inside: warning[always-true] at AccessPolicy.matcho",
        "2 policies, 4 errors, 1 warnings",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let folder = TempDir::new().unwrap();
    let large = std::fs::File::create(folder.path().join("large.yaml")).unwrap();
    large.set_len(16 * 1024 * 1024 + 1).unwrap();
    let said = run(folder.path(), &["policy", "check", "large.yaml"], &[]);
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains("`large.yaml` is larger than"), "{}", said.out);
}
