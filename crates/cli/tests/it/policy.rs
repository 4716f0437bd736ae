//! `firewarden policy check`: what it tells of files, and how it ends.

use serde_json::json;
use tempfile::TempDir;

use crate::running::{ROOT_SECRET, Said, Server, run};

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

const TESTED: &str = "\
- id: readers
  engine: matcho
  roleName: reader
  matcho: {request-method: get, user: present?}
  rows: {Observation: 'subject=Patient/{{user.data.patient_id}}'}
- {resourceType: User, id: alice, data: {patient_id: '1'}}
- {resourceType: Role, id: r, name: reader, user: {resourceType: User, id: alice}}
";
const TESTS: &str = "\
- resourceType: AccessPolicyTest
  id: own
  description: a reader reads the own observations
  request: GET /fhir/Observation
  caller: {user-id: alice}
  expect: {decision: allow, rows: {Observation: subject=Patient/1}}
- resourceType: AccessPolicyTest
  id: nobody
  request: GET /fhir/Observation
  expect: {decision: deny}
";
const FAILING: &str = "\
resourceType: AccessPolicyTest
id: writes
request: {method: DELETE, uri: /fhir/Observation/1}
caller: {user-id: alice}
expect: {decision: allow}
";

fn tested() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in
        [("policies.yaml", TESTED), ("tests.yaml", TESTS), ("failing.yaml", FAILING)]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn tests_in_files_are_run_on_the_policies_in_files() {
    let folder = tested();
    let said = run(folder.path(), &["policy", "test", "policies.yaml", "tests.yaml"], &[]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let expected = "\
ok      own  a reader reads the own observations
ok      nobody
2 passed, 0 failed
";
    assert_eq!(said.out, expected);
    let arguments = ["policy", "test", "policies.yaml", "tests.yaml", "failing.yaml"];
    let said = run(folder.path(), &arguments, &[]);
    assert_eq!((said.code, said.err.lines().count()), (Some(1), 1));
    assert!(said.out.contains("FAILED  writes\n        expected allow\n        got      deny\n"));
    assert!(said.out.ends_with("2 passed, 1 failed\n"), "{}", said.out);
}

#[test]
fn what_cannot_be_tested_is_no_success() {
    let folder = tested();
    for files in [&["policies.yaml"][..], &["no such file"], &["tests.yaml"]] {
        let arguments: Vec<&str> = ["policy", "test"].iter().chain(files).copied().collect();
        let said = run(folder.path(), &arguments, &[]);
        assert_eq!((said.code, said.err.lines().count()), (Some(1), 1), "{files:?} {}", said.err);
    }
}

#[tokio::test]
async fn a_server_runs_tests_and_explains_requests() {
    let folder = tested();
    let server = Server::start(folder.path(), &[]).await;
    let client = format!("root:{ROOT_SECRET}");
    let url = server.site.url.as_str();
    let asked = |arguments: &[&str], client: &str| {
        let all: Vec<&str> =
            ["policy"].iter().chain(arguments).chain(&["--url", url]).copied().collect();
        run(folder.path(), &all, &[("FIREWARDEN_CLIENT", client)])
    };
    let said = asked(&["test", "policies.yaml", "tests.yaml"], &client);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{}", said.out);
    let said = asked(&["test", "tests.yaml"], &client);
    assert!(said.out.contains("there is no active `User/alice`"), "{}", said.out);
    assert_eq!(said.code, Some(1));
    server.site.put(json!({"resourceType": "User", "id": "alice"})).await;
    let said = asked(&["explain", "--request", "GET /fhir/Patient", "--user-id", "alice"], &client);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert!(said.out.starts_with("request   GET /fhir/Patient\ncaller    user alice\n"));
    assert!(said.out.contains("decision  deny (not-granted)\n"), "{}", said.out);
    let answer = server.site.root("GET /fhir/Patient").await;
    let id = answer.header("x-request-id").unwrap();
    let said = asked(&["explain", "--request-id", id], &client);
    assert!(said.out.contains("decision  allow"), "{}", said.out);
    assert!(said.out.contains("root-client"), "{}", said.out);
    for (arguments, client, what) in [
        (&["explain", "--request-id", "x"][..], client.as_str(), "knows of no such request"),
        (&["explain", "--request", "GET /fhir/Nothing"], &client, "400"),
        (
            &["explain", "--request", "GET /fhir/Patient", "--jwt", "x"],
            &client,
            "--jwt is not JSON",
        ),
        (&["explain", "--request", "GET /fhir/Patient"], "root:wrong", "does not accept"),
    ] {
        let said = asked(arguments, client);
        assert_eq!((said.code, said.err.lines().count()), (Some(1), 1), "{}", said.err);
        assert!(said.err.contains(what), "{}", said.err);
    }
}
