//! One world: a server of its own, what is visible in both worlds, and what only this one hides.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use firewarden_fhir::yaml;
use firewarden_server::settings::{Settings, Sources};
use firewarden_server::{ServeError, serve};
use firewarden_testkit::{database_settings, hmac_token};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::hidden::{Hidden, RowWrite};
use crate::normalise::Seen;
use crate::requests::Request;

/// The base of both servers' URLs.
pub(crate) const PUBLIC_URL: &str = "http://fhir.example.com";

const ISSUER: &str = "https://auth.example.com";
/// Whose tokens' scopes are enforced.
const ISSUER_OF_APPS: &str = "https://apps.example.com";
const SECRET: &str = "a shared secret of more than 32 bytes";
const LABORATORY_SECRET: &str = "the secret of the laboratory";
const ROOT_SECRET: &str = "the secret of the root client";

/// Most hidden writes between two visible ones.
const HIDDEN_BETWEEN_MAX: usize = 3;
/// How often hidden rows are written before anything is visible.
const HIDDEN_FIRST_MAX: usize = 40;

/// A world.
pub(crate) struct World {
    pub(crate) seen: Seen,
    hidden: Hidden,
    /// The version of each hidden row by its URL; `None` of a deleted one.
    versions: BTreeMap<String, Option<String>>,
    http: reqwest::Client,
    address: String,
    laboratory_token: String,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), ServeError>>,
    _folder: TempDir,
}

/// What a world told.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl World {
    /// A world of that name, whose hidden part the seed chooses.
    pub(crate) async fn new(name: &str, seed: u64) -> Self {
        let folder = TempDir::new().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let running = tokio::spawn(serve(settings(folder.path()), stopped, |started| {
            let _ = tell.send(started.address);
        }));
        let address = format!("http://{}", told.await.unwrap());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut world = Self {
            seen: Seen::default(),
            hidden: Hidden::new(seed, name),
            versions: BTreeMap::new(),
            http,
            address,
            laboratory_token: String::new(),
            stop,
            running,
            _folder: folder,
        };
        world.make().await;
        world
    }

    /// Ends it; by then, nobody has changed what is hidden.
    pub(crate) async fn end(self) {
        for (url, version) in &self.versions {
            let ask = self.http.get(format!("{}/fhir/{url}", self.address));
            let answer = answer(ask.basic_auth("root", Some(ROOT_SECRET))).await;
            let found = answer.headers.get("etag").map(|etag| etag.to_str().unwrap().to_owned());
            let status = if version.is_some() { 200 } else { 410 };
            assert_eq!((answer.status, &found), (status, version), "{url}: {}", answer.text);
        }
        let _ = self.stop.send(());
        self.running.await.unwrap().unwrap();
    }

    /// Whether an answer holds what is hidden in this world.
    pub(crate) fn shows_hidden(&self, answer: &Answer) -> bool {
        let canary = self.hidden.canary();
        let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(canary);
        holds(answer.text.as_bytes()) || answer.headers.values().any(|it| holds(it.as_bytes()))
    }

    /// Sends a request as its caller.
    pub(crate) async fn ask(&self, request: &Request) -> Answer {
        let method = request.method.parse().unwrap();
        let url = format!("{}{}", self.address, self.seen.filled(&request.path));
        let mut ask = self.http.request(method, url);
        ask = match request.caller.as_str() {
            "anonymous" => ask,
            "laboratory" => ask.bearer_auth(&self.laboratory_token),
            "app" => ask.bearer_auth(app_token()),
            subject => ask.bearer_auth(token(subject)),
        };
        for (name, value) in &request.headers {
            ask = ask.header(*name, self.seen.filled(value));
        }
        if let Some((media_type, body)) = &request.body {
            ask = ask.header("content-type", *media_type).body(self.seen.filled(body));
        }
        answer(ask).await
    }

    /// Writes something that is hidden in this world, or nothing.
    pub(crate) async fn stir(&mut self) {
        let count = self.hidden.some(2);
        self.hide(count).await;
    }

    async fn make(&mut self) {
        for resource in list(include_bytes!("policies.yaml")) {
            self.put(&resource).await;
        }
        self.laboratory_token = self.laboratory().await;
        let count = self.hidden.some(HIDDEN_FIRST_MAX);
        self.hide(count).await;
        self.mark().await;
        for rows in list(include_bytes!("visible.yaml")) {
            self.make_rows(rows.as_array().unwrap()).await;
            let count = 1 + self.hidden.some(HIDDEN_BETWEEN_MAX);
            self.hide(count).await;
            self.mark().await;
        }
    }

    /// Rows that are made at once, between hidden ones.
    async fn make_rows(&mut self, rows: &[Value]) {
        let (mut entries, mut more) = (Vec::new(), Vec::new());
        for row in rows {
            for _ in 0..self.hidden.some(HIDDEN_BETWEEN_MAX) {
                add(&mut entries, self.hidden.write());
            }
            let named = |member: &str| row[member].as_str().and_then(|it| it.split_once('/'));
            let write = match (named("delete"), named("hide")) {
                (Some((of, id)), _) => RowWrite::Delete(format!("{of}/{id}")),
                (None, Some((of, id))) => RowWrite::Put(self.hidden.row(of, id)),
                (None, None) => RowWrite::Put(row.clone()),
            };
            add(&mut entries, write);
            if row["more"] == true {
                more.extend(named("hide"));
            }
        }
        self.apply(entries).await;
        for (of, id) in more {
            for _ in 0..self.hidden.some(3) {
                let mut entry = Vec::new();
                add(&mut entry, RowWrite::Put(self.hidden.row(of, id)));
                self.apply(entry).await;
            }
        }
    }

    async fn hide(&mut self, count: usize) {
        let mut entries = Vec::new();
        for _ in 0..count {
            add(&mut entries, self.hidden.write());
        }
        if !entries.is_empty() {
            self.apply(entries).await;
        }
    }

    async fn apply(&mut self, entries: Vec<Value>) {
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
        let told = self.root(reqwest::Method::POST, "/fhir", &bundle).await;
        for (entry, told) in entries.iter().zip(told["entry"].as_array().unwrap()) {
            let url = entry["request"]["url"].as_str().unwrap().to_owned();
            let is_hidden = entry["resource"].to_string().contains(self.hidden.canary());
            let etag = told["response"]["etag"].as_str().map(str::to_owned);
            if is_hidden {
                self.versions.insert(url, etag);
            } else if entry["request"]["method"] == "PUT" {
                self.versions.remove(&url);
            } else if let Some(version) = self.versions.get_mut(&url) {
                *version = None;
            }
        }
    }

    async fn put(&self, resource: &Value) -> Value {
        let (of, id) = (resource["resourceType"].as_str(), resource["id"].as_str());
        let path = format!("/fhir/{}/{}", of.unwrap(), id.unwrap());
        self.root(reqwest::Method::PUT, &path, resource).await
    }

    async fn root(&self, method: reqwest::Method, path: &str, body: &Value) -> Value {
        let ask = self.http.request(method, format!("{}{path}", self.address));
        let ask = ask.basic_auth("root", Some(ROOT_SECRET));
        let ask = ask.header("content-type", "application/fhir+json").body(body.to_string());
        let answer = answer(ask).await;
        assert!(matches!(answer.status, 200 | 201), "{path} {body}: {}", answer.text);
        serde_json::from_str(&answer.text).unwrap()
    }

    async fn laboratory(&self) -> String {
        let ask = self.http.post(format!("{}/auth/token", self.address));
        let ask = ask.basic_auth("laboratory", Some(LABORATORY_SECRET));
        let ask = ask.header("content-type", "application/x-www-form-urlencoded");
        let answer = answer(ask.body("grant_type=client_credentials")).await;
        let told: Value = serde_json::from_str(&answer.text).unwrap();
        told["access_token"].as_str().unwrap().to_owned()
    }

    /// Remembers the time.
    async fn mark(&mut self) {
        next_millisecond().await;
        let marker = json!({"resourceType": "Basic", "id": "marker", "code": {"text": "marker"}});
        let marker = self.put(&marker).await;
        self.seen.instants.push(marker["meta"]["lastUpdated"].as_str().unwrap().to_owned());
        next_millisecond().await;
    }
}

/// The type and id of every row that is visible to somebody.
pub(crate) fn visible_rows() -> Vec<(String, String)> {
    let lists = list(include_bytes!("visible.yaml"));
    let rows = lists.iter().flat_map(|rows| rows.as_array().unwrap());
    let mut named: Vec<(String, String)> = rows
        .filter_map(|row| {
            let (of, id) = (row["resourceType"].as_str()?, row["id"].as_str()?);
            Some((of.to_owned(), id.to_owned()))
        })
        .collect();
    named.sort();
    named.dedup();
    named
}

/// Waits until the servers' clock shows another time: what is written next is later.
#[expect(clippy::disallowed_methods, reason = "the servers under test have a real clock")]
pub(crate) async fn next_millisecond() {
    let now = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.unwrap().as_millis()
    };
    let start = now();
    while now() == start {
        tokio::task::yield_now().await;
    }
}

async fn answer(ask: reqwest::RequestBuilder) -> Answer {
    let response = ask.send().await.unwrap();
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    Answer { status, headers, text: response.text().await.unwrap() }
}

/// A token that does not expire before the world does.
fn token(subject: &str) -> String {
    signed(&json!({"iss": ISSUER, "sub": subject, "exp": 4_000_000_000_u64}))
}

/// The token of an app, for one patient.
fn app_token() -> String {
    signed(&json!({
        "iss": ISSUER_OF_APPS,
        "sub": "app",
        "exp": 4_000_000_000_u64,
        "scope": "patient/*.rs",
        "patient": "a",
    }))
}

fn signed(claims: &Value) -> String {
    hmac_token("HS256", SECRET.as_bytes(), &json!({}), claims)
}

fn list(text: &[u8]) -> Vec<Value> {
    yaml::parse(text).unwrap().as_array().unwrap().clone()
}

/// Adds a write to a transaction, unless it writes the same row already.
fn add(entries: &mut Vec<Value>, write: RowWrite) {
    let (url, entry) = match write {
        RowWrite::Put(row) => {
            let url = format!(
                "{}/{}",
                row["resourceType"].as_str().unwrap(),
                row["id"].as_str().unwrap()
            );
            (url.clone(), json!({"request": {"method": "PUT", "url": url}, "resource": row}))
        }
        RowWrite::Delete(url) => {
            (url.clone(), json!({"request": {"method": "DELETE", "url": url}}))
        }
    };
    if !entries.iter().any(|known| known["request"]["url"] == url.as_str()) {
        entries.push(entry);
    }
}

fn settings(folder: &Path) -> Settings {
    let flags: HashMap<String, String> = [
        ("LISTEN", "127.0.0.1:0"),
        ("PUBLIC_URL", PUBLIC_URL),
        ("ROOT_CLIENT_SECRET", ROOT_SECRET),
        ("LOG", "off"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .chain(database_settings(folder))
    .collect();
    let sources = Sources {
        flags,
        environment: &|_| None,
        file: Default::default(),
        read_file: &|path| std::fs::read_to_string(path),
    };
    Settings::read(&sources).unwrap()
}
