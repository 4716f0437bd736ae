//! Runs the files of tests/cases: each is a conversation with a server of its own.
//!
//! `settings` are the server's, `given` and `policies` what the root client puts first, after that
//! of the `fixture`, a file of tests/fixtures; `steps` the requests in their order. A step's `as` is
//! `root` (the default), `anonymous`, `bad`, one of the fixture's `clients`, the subject of a valid
//! token, or a list of those; `requests` instead of `request` are several with the same answer. `bearer` is a
//! text sent as a token instead, and `token` changes `header`, `claims`, `alg` and `secret` of a
//! valid one: null leaves a member out, `{in: 60}` is in a minute. What a step says of the answer
//! must hold: `status`, `body` (objects are open, lists are whole), `at` (by JSON Pointer, null for
//! absent), `finds` and `finds_in_order` (ids of matches), `includes` (ids of what was added to
//! them), `has` and `lacks` (texts), `headers` (null for absent), `same_as` (an earlier step's
//! answer, but for the time and the request's id), `alike` (the same of all answers of the step).
//! `save` keeps parts of an answer, by JSON Pointer or by the name of a header, for `${name}` in
//! later steps; a URL of the server without the server. With a fixture, nobody but an administrator is ever shown a text with [`CANARY`] in it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use firewarden_fhir::yaml;
use firewarden_testkit::hmac_token;
use serde_json::{Map, Value, json};

use crate::harness::{ISSUER, SECRET, TestServer, claims, now_s, token};
use crate::http::{Answer, basic, is_own};

/// What is hidden holds this text.
pub(crate) const CANARY: &str = "CANARY";
/// Who may see it.
const ADMINISTRATORS: &[&str] = &["root", "adm"];

const MEMBERS: &[&str] = &[
    "it",
    "as",
    "bearer",
    "token",
    "request",
    "requests",
    "send",
    "json",
    "text",
    "content_type",
    "status",
    "body",
    "at",
    "finds",
    "finds_in_order",
    "includes",
    "has",
    "lacks",
    "headers",
    "same_as",
    "alike",
    "save",
];

/// Runs every file of a folder below tests/cases.
pub(crate) async fn each_file(folder: &str) {
    each_file_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder)).await;
}

/// Runs every file of a folder.
pub(crate) async fn each_file_of(folder: &Path) {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no cases in {}", folder.display());
    for file in files {
        let text = std::fs::read(&file).unwrap();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let cases = yaml::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        Conversation::begin(&name, &cases).await.hold(&cases).await;
    }
}

struct Conversation {
    name: String,
    server: TestServer,
    /// Whether it has a fixture, in which all that is hidden holds [`CANARY`].
    has_canaries: bool,
    /// The secrets of the fixture's clients.
    clients: HashMap<String, String>,
    saved: HashMap<String, String>,
    told: HashMap<String, String>,
}

impl Conversation {
    async fn begin(name: &str, cases: &Value) -> Self {
        let settings = cases["settings"].as_object().cloned().unwrap_or_default();
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        let server = TestServer::with(&settings).await;
        server.trust().await;
        let fixture = cases["fixture"].as_str().map(fixture).unwrap_or_default();
        for given in [&fixture["given"], &cases["given"], &cases["policies"]] {
            for resource in given.as_array().into_iter().flatten() {
                let text = resource.to_string().replace("${url}", &server.url);
                server.put(serde_json::from_str(&text).unwrap()).await;
            }
        }
        let has_canaries = !fixture.is_null();
        let clients = fixture["clients"].as_object().cloned().unwrap_or_default();
        let clients = clients
            .into_iter()
            .map(|(id, secret)| (id, secret.as_str().unwrap().to_owned()))
            .collect();
        let (saved, told) = (HashMap::new(), HashMap::new());
        Self { name: name.to_owned(), server, has_canaries, clients, saved, told }
    }

    async fn hold(mut self, cases: &Value) {
        for step in cases["steps"].as_array().expect("steps") {
            let step: Map<String, Value> =
                serde_json::from_str(&self.filled(&step.to_string())).unwrap();
            let unknown = step.keys().find(|key| !MEMBERS.contains(&key.as_str()));
            assert_eq!(unknown, None, "{}: no such member of a step", self.name);
            let callers = one_or_more(step.get("as").unwrap_or(&"root".into()));
            let lines = step.get("request").or(step.get("requests")).expect("a request");
            let lines = one_or_more(lines);
            let mut told = Vec::new();
            for caller in &callers {
                for line in &lines {
                    told.push(self.step(&step, caller, line).await);
                }
            }
            if step.get("alike") == Some(&Value::Bool(true)) {
                let other = told.iter().find(|other| **other != told[0]);
                assert_eq!(other, None, "{}: {}", self.name, told[0]);
            }
        }
        self.server.close().await;
    }

    /// Asks, and looks at the answer; gives back what must be alike in answers that are.
    async fn step(&mut self, step: &Map<String, Value>, caller: &str, line: &str) -> String {
        let name = step.get("it").and_then(Value::as_str).unwrap_or(line).to_owned();
        let answer = self.ask(step, caller, line).await;
        let check = Check { file: &self.name, step: &name, answer: &answer };
        if self.has_canaries && !ADMINISTRATORS.contains(&caller) {
            check.hides(CANARY);
        }
        check.status(step);
        check.content(step);
        check.found(step);
        let told = lasting(&answer);
        if let Some(other) = step.get("same_as").and_then(Value::as_str) {
            assert_eq!(self.told[other], told, "{}: {name}", self.name);
        }
        for (variable, place) in object(step, "save") {
            let value = match place.as_str().unwrap() {
                pointer if pointer.starts_with('/') => answer.at(pointer),
                header => answer.header(header).into(),
            };
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let below = text.strip_prefix(&self.server.url).map(str::to_owned);
            self.saved.insert(variable, below.unwrap_or(text));
        }
        self.told.insert(name, told.clone());
        told
    }

    async fn ask(&self, step: &Map<String, Value>, caller: &str, line: &str) -> Answer {
        let site = &self.server.site;
        let mut ask = match (sent_token(step), caller) {
            (Some(token), _) => site.bearer(&token, line),
            (None, "root") => site.root(line),
            (None, "anonymous") => site.ask(line),
            (None, "bad") => site.bearer("not.a.token", line),
            (None, caller) => match self.clients.get(caller) {
                Some(secret) => site.ask(line).header("authorization", &basic(caller, secret)),
                None => site.bearer(&token(caller), line),
            },
        };
        for (name, value) in object(step, "send") {
            ask = ask.header(&name, value.as_str().unwrap());
        }
        if let Some(body) = step.get("json") {
            ask = ask.json(body);
        }
        if let Some(text) = step.get("text") {
            let content_type = step.get("content_type").and_then(Value::as_str);
            let text = text.as_str().unwrap().to_owned();
            ask = ask.body(content_type.unwrap_or("text/yaml"), text);
        }
        ask.await
    }

    fn filled(&self, text: &str) -> String {
        let saved = self.saved.iter();
        let text = saved.fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("${{{name}}}"), value)
        });
        text.replace("${url}", &self.server.url)
    }
}

fn fixture(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let text = std::fs::read(folder.join(name).with_extension("yaml")).unwrap();
    yaml::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn one_or_more(value: &Value) -> Vec<String> {
    value.as_str().map_or_else(|| texts(Some(value)), |one| vec![one.to_owned()])
}

/// An answer without what no two answers share.
fn lasting(answer: &Answer) -> String {
    let lasts = |name: &str| !matches!(name, "x-request-id" | "date");
    let fields = answer.headers.iter().filter(|(name, _)| lasts(name.as_str()));
    let fields: Vec<String> = fields.map(|(name, value)| format!("{name}: {value:?}")).collect();
    format!("{} {fields:?} {}", answer.status, answer.text)
}

/// The token that a step writes itself.
fn sent_token(step: &Map<String, Value>) -> Option<String> {
    let text = step.get("bearer").map(|text| text.as_str().unwrap().to_owned());
    text.or_else(|| step.get("token").map(changed_token))
}

/// A token of the trusted issuer, with these changes.
fn changed_token(changes: &Value) -> String {
    let header = replaced(json!({}), &changes["header"]);
    let claims = replaced(claims(ISSUER, "alice"), &changes["claims"]);
    let secret = changes["secret"].as_str().unwrap_or(SECRET);
    hmac_token(changes["alg"].as_str().unwrap_or("HS256"), secret.as_bytes(), &header, &claims)
}

fn replaced(mut whole: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().into_iter().flatten() {
        let whole = whole.as_object_mut().unwrap();
        match value.get("in").and_then(Value::as_i64) {
            Some(seconds) => drop(whole.insert(name.clone(), json!(now_s() + seconds))),
            None if value.is_null() => drop(whole.remove(name)),
            None => drop(whole.insert(name.clone(), value.clone())),
        }
    }
    whole
}

fn object(step: &Map<String, Value>, name: &str) -> Map<String, Value> {
    step.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// What a step says of its answer.
struct Check<'a> {
    file: &'a str,
    step: &'a str,
    answer: &'a Answer,
}

impl Check<'_> {
    fn place(&self) -> String {
        format!("{}: {}: {:?}", self.file, self.step, self.answer)
    }

    fn hides(&self, canary: &str) {
        let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(canary);
        let fields = self.answer.headers.values().any(|value| holds(value.as_bytes()));
        assert!(!fields && !holds(self.answer.text.as_bytes()), "{}", self.place());
    }

    fn status(&self, step: &Map<String, Value>) {
        let status = step.get("status").and_then(Value::as_u64).expect("a status");
        assert_eq!(u64::from(self.answer.status), status, "{}", self.place());
        for (name, value) in object(step, "headers") {
            assert_eq!(self.answer.header(&name), value.as_str(), "{name} {}", self.place());
        }
    }

    fn content(&self, step: &Map<String, Value>) {
        if let Some(expected) = step.get("body") {
            let answered = self.answer.json();
            assert!(holds(expected, &answered), "expected {expected} in {}", self.place());
        }
        for (pointer, value) in object(step, "at") {
            assert_eq!(self.answer.at(&pointer), value, "{pointer} {}", self.place());
        }
        for text in texts(step.get("has")) {
            assert!(self.answer.text.contains(&text), "has not `{text}`: {}", self.place());
        }
        for text in texts(step.get("lacks")) {
            assert!(!self.answer.text.contains(&text), "has `{text}`: {}", self.place());
        }
    }

    fn found(&self, step: &Map<String, Value>) {
        if step.contains_key("finds_in_order") {
            let found = self.answer.ids();
            assert_eq!(found, texts(step.get("finds_in_order")), "{}", self.place());
        }
        if step.contains_key("finds") {
            let (mut found, mut expected) = (self.answer.ids(), texts(step.get("finds")));
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{}", self.place());
        }
        if step.contains_key("includes") {
            let (mut found, mut expected) =
                (self.answer.ids_where(|mode| mode == "include"), texts(step.get("includes")));
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{}", self.place());
        }
    }
}

/// Whether the value holds what is expected: objects may have more members, lists may not.
fn holds(expected: &Value, value: &Value) -> bool {
    match (expected, value) {
        (Value::Object(expected), Value::Object(value)) => {
            expected.iter().all(|(name, expected)| match value.get(name) {
                Some(value) => holds(expected, value),
                None => expected.is_null(),
            })
        }
        (Value::Array(expected), Value::Array(value)) => {
            expected.len() == value.len()
                && expected.iter().zip(value).all(|(expected, value)| holds(expected, value))
        }
        _ => expected == value,
    }
}

#[test]
fn what_is_expected_is_compared_as_the_cases_assume() {
    let value = json!({"a": [{"b": 1, "c": 2}], "d": "x"});
    assert!(holds(&json!({"a": [{"b": 1}]}), &value));
    assert!(holds(&json!({"e": null}), &value));
    for wrong in [json!({"a": []}), json!({"a": [{"b": 2}]}), json!({"d": null}), json!([])] {
        assert!(!holds(&wrong, &value), "{wrong}");
    }
    assert!(is_own("User") && !is_own("Patient"));
}
