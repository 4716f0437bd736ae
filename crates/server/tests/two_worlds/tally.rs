//! Whether the stream of requests meant something: how often each thing happened.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::requests::{Kind, Request};
use crate::world::Answer;

/// What must happen, in how many of ten thousand requests at least.
const AT_LEAST: &[(&str, usize)] = &[
    ("found something", 2_000),
    ("found nothing", 800),
    ("refused (401, 403)", 1_200),
    ("absent (404)", 700),
    ("faulty (400, 422)", 400),
    ("conditions not met (412)", 30),
    ("gone (410)", 10),
    ("written", 250),
    ("deleted", 80),
    ("with included rows", 200),
    ("chains, found something", 30),
    ("_has, found something", 25),
    ("sorted through a reference, found something", 50),
    ("totals above 0", 900),
    ("further pages", 150),
    ("histories with entries", 400),
    ("compartments with entries", 6),
    ("bundles with a granted entry", 130),
    ("bundles with a refused entry", 130),
    ("conditional creates and updates, written", 60),
    ("by rules in SQL, found something", 150),
    ("by rules in SQL, written", 10),
    ("by SMART scopes, found something", 150),
    ("by SMART scopes, refused", 30),
];

/// Counts of what happened.
#[derive(Default)]
pub(crate) struct Tally {
    requests: usize,
    happened: BTreeMap<&'static str, usize>,
    kinds: BTreeMap<(Kind, u16), usize>,
}

impl Tally {
    pub(crate) fn add(&mut self, request: &Request, answer: &Answer) {
        self.requests += 1;
        *self.kinds.entry((request.kind, answer.status)).or_default() += 1;
        let body: Value = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
        for what in by_status(answer.status).into_iter().chain(by_content(request, answer, &body)) {
            *self.happened.entry(what).or_default() += 1;
        }
    }

    /// Fails if too little of anything happened.
    pub(crate) fn assert_meaningful(&self) {
        for (what, at_least) in AT_LEAST {
            let found = self.happened.get(what).copied().unwrap_or_default();
            let share = found * 10_000 / self.requests;
            assert!(share >= *at_least, "{what}: {found} of {}\n{self}", self.requests);
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} requests", self.requests)?;
        for (what, _) in AT_LEAST {
            let count = self.happened.get(what).copied().unwrap_or_default();
            writeln!(f, "{count:>8} {what}")?;
        }
        let mut of = None;
        for ((kind, status), count) in &self.kinds {
            if of.replace(*kind) != Some(*kind) {
                write!(f, "\n{kind:?}:")?;
            }
            write!(f, " {status} {count}×")?;
        }
        writeln!(f)
    }
}

fn by_status(status: u16) -> Option<&'static str> {
    match status {
        401 | 403 => Some("refused (401, 403)"),
        404 => Some("absent (404)"),
        400 | 422 => Some("faulty (400, 422)"),
        412 => Some("conditions not met (412)"),
        410 => Some("gone (410)"),
        _ => None,
    }
}

fn by_content(request: &Request, answer: &Answer, body: &Value) -> Vec<&'static str> {
    let mut happened = Vec::new();
    let granted = matches!(answer.status, 200 | 201);
    let is_bundle = body["resourceType"] == "Bundle";
    let entries = body["entry"].as_array().map(Vec::as_slice).unwrap_or_default();
    let written = matches!(request.kind, Kind::Create | Kind::Update) && granted;
    let by_condition = matches!(request.kind, Kind::ConditionalCreate | Kind::ConditionalUpdate);
    let found = answer.status == 200 && (!is_bundle || has_matches(entries));
    let (by_sql, by_scopes) = (request.caller == "nurse", request.caller == "app");
    let content: [(&'static str, bool); 17] = [
        ("found something", found),
        ("found nothing", answer.status == 200 && is_bundle && entries.is_empty()),
        ("written", written || (by_condition && answer.status == 201)),
        ("deleted", answer.status == 204),
        ("with included rows", entries.iter().any(|entry| entry["search"]["mode"] == "include")),
        ("chains, found something", has_matches(entries) && is_chain(&request.path)),
        ("_has, found something", has_matches(entries) && request.path.contains("_has%3A")),
        (
            "sorted through a reference, found something",
            has_matches(entries) && sorts_through(&request.path),
        ),
        ("totals above 0", body["total"].as_u64().is_some_and(|total| total > 0)),
        ("further pages", request.kind == Kind::NextPage && has_matches(entries)),
        ("histories with entries", body["type"] == "history" && !entries.is_empty()),
        ("compartments with entries", request.kind == Kind::Compartment && has_matches(entries)),
        ("conditional creates and updates, written", by_condition && granted),
        ("by rules in SQL, found something", by_sql && found),
        ("by rules in SQL, written", by_sql && written),
        ("by SMART scopes, found something", by_scopes && found),
        ("by SMART scopes, refused", by_scopes && by_insufficient_scope(answer)),
    ];
    happened.extend(content.iter().filter(|(_, holds)| *holds).map(|(what, _)| *what));
    if matches!(request.kind, Kind::Batch | Kind::Transaction) {
        happened.extend(of_bundle(answer.status, entries));
    }
    happened
}

fn of_bundle(status: u16, entries: &[Value]) -> Vec<&'static str> {
    let any = |start: &str| {
        let status = |entry: &Value| entry["response"]["status"].as_str().map(str::to_owned);
        entries.iter().filter_map(status).any(|told| told.starts_with(start))
    };
    let mut happened = Vec::new();
    if any("20") {
        happened.push("bundles with a granted entry");
    }
    if status == 403 || any("403") {
        happened.push("bundles with a refused entry");
    }
    happened
}

fn by_insufficient_scope(answer: &Answer) -> bool {
    let challenge = answer.headers.get("www-authenticate");
    challenge.is_some_and(|told| told.as_bytes().ends_with(b"insufficient_scope\""))
}

fn has_matches(entries: &[Value]) -> bool {
    entries
        .iter()
        .any(|entry| entry["search"]["mode"] != "outcome" && entry.get("resource").is_some())
}

/// Whether a parameter of the query follows a reference.
fn is_chain(path: &str) -> bool {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let names = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name);
    names.filter(|name| !name.starts_with("_has")).any(|name| name.contains('.'))
}

fn sorts_through(path: &str) -> bool {
    let sort = path.split_once("_sort=").map_or("", |(_, rest)| rest);
    sort.split('&').next().is_some_and(|keys| keys.contains('.'))
}
