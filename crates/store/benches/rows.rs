//! What the rows of a permit cost: searches, chained ones and an include among them, and reads of what
//! is seen and what is not; each without rows and within some, in turns. Run by
//! `cargo bench --package firewarden-store`.

#![expect(clippy::expect_used, reason = "a benchmark may panic")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use firewarden_access::{
    Asker, Caller, PermittedRows, PermittedSearch, PolicySet, PolicySource, RequestFacts,
    RowFilter, SystemTask, decide,
};
use firewarden_fhir::search::{Handling, ParseSearch, SearchQuery};
use firewarden_fhir::{
    Id, IfMatch, Interaction, Resource, ResourceType, SearchForm, Target, Timestamp,
};
use firewarden_store::{Change, Database, Read, Store, StoreSettings, Stored, Write, WriteRequest};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

const BASE_URL: &str = "http://localhost/fhir";
const PATIENTS: usize = 2_000;
const OBSERVATIONS: usize = 20_000;

/// The rows of each policy that grants, under a name.
const ROWS: [(&str, &[&str]); 4] = [
    ("one patient's", &["subject=Patient/p1"]),
    ("of two policies", &["subject=Patient/p1", "subject=Patient/p2&status=final"]),
    ("in a compartment", &["subject=Patient/p1", "performer=Patient/p1", "focus=Patient/p1"]),
    ("by a chain", &["subject:Patient.general-practitioner=Practitioner/d1"]),
];

const SEARCHES: [&str; 4] =
    ["code=c3", "date=ge2024-06", "code=c3&date=ge2024-06&_sort=-date", "subject=Patient/p1"];

/// Searches that use Patients as a predicate, and those that include them.
const CHAINED: [&str; 3] = [
    "subject:Patient.general-practitioner=Practitioner/d1",
    "code=c3&subject:Patient.general-practitioner=Practitioner/d1",
    "date=ge2024-06&subject:Patient.gender=female",
];

/// A practitioner's 20 patients, and what was observed of them: a policy that limits both types.
const OF_PRACTITIONER: [(&str, &str); 2] = [
    ("Observation", "subject:Patient.general-practitioner=Practitioner/d1"),
    ("Patient", "general-practitioner=Practitioner/d1"),
];

/// Patients that are read: what the practitioner sees and what not. `deleted` was not seen before.
const READ: [&str; 4] = ["p1", "p2", "never", "deleted"];

fn of_type(name: &str) -> ResourceType {
    ResourceType::parse(name).expect("a type")
}

fn observation() -> ResourceType {
    of_type("Observation")
}

fn at(name: &str, id: &str) -> Target {
    Target::new(of_type(name), Id::parse(id).expect("an id"))
}

fn create(name: &str, id: &str, content: &str) -> Write {
    let resource_type = of_type(name);
    let content = firewarden_fhir::json::parse(content.as_bytes()).expect("JSON");
    let content = content.as_object().expect("an object").clone();
    let resource = Resource { resource_type, content };
    let change = Change::Create { resource, secrets: Vec::new() };
    let target = at(name, id);
    Write { target, matching: None, rows: SystemTask::InitBundle.rows(resource_type), change }
}

fn patient(n: usize) -> Write {
    let doctor = n % 100;
    let content = format!(
        r#"{{"gender":"female","generalPractitioner":[{{"reference":"Practitioner/d{doctor}"}}]}}"#
    );
    create("Patient", &format!("p{n}"), &content)
}

fn observed(n: usize) -> Write {
    let (patient, code) = (n % PATIENTS, n / PATIENTS);
    let (month, day) = (n % 12 + 1, n % 28 + 1);
    let content = format!(
        r#"{{"status":"final","code":{{"coding":[{{"system":"urn:c","code":"c{code}"}}]}},
        "subject":{{"reference":"Patient/p{patient}"}},"effectiveDateTime":"2024-{month:02}-{day:02}",
        "valueQuantity":{{"value":{n},"unit":"mg"}},"note":[{{"text":"{}"}}]}}"#,
        "a note of the usual length, so that a body is one ".repeat(8)
    );
    create("Observation", &format!("o{n}"), &content)
}

async fn loaded(folder: &Path) -> Store {
    let settings = StoreSettings {
        database: Database::Sqlite { path: folder.join("db") },
        base_url: BASE_URL.to_owned(),
        secrets_key: zeroize::Zeroizing::new([7; 32]),
        readers: 2,
    };
    let store = Store::open(settings).expect("a store");
    let gone = create("Patient", "deleted", r#"{"gender":"female"}"#);
    let all = (0..PATIENTS).map(patient).chain((0..OBSERVATIONS).map(observed));
    let all: Vec<Write> = all.chain([gone]).collect();
    let mut all = all.into_iter().peekable();
    while all.peek().is_some() {
        write(&store, all.by_ref().take(1_000).collect()).await;
    }
    let (target, rows) =
        (at("Patient", "deleted"), SystemTask::InitBundle.rows(of_type("Patient")));
    let change = Change::Delete { if_match: IfMatch::Any };
    write(&store, vec![Write { target, matching: None, rows, change }]).await;
    store
}

async fn write(store: &Store, writes: Vec<Write>) {
    let now = Timestamp::UNIX_EPOCH;
    store.write(WriteRequest { policy_version: None, now, writes }).await.expect("written");
}

fn query(text: &str) -> SearchQuery {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let pairs: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let now = Timestamp::UNIX_EPOCH;
    let parse = ParseSearch { base_url: BASE_URL, now, handling: Handling::Strict };
    let query = parse.read(observation(), &pairs).expect("a search");
    SearchQuery { count: 10, ..query }
}

/// What a caller is granted of Observations by policies with such rows.
async fn granted(store: &Store, rows: &[Value]) -> PermittedRows {
    let sources = rows.iter().enumerate().map(|(number, rows)| {
        let content = json!({"engine": "allow", "link": [{"reference": "User/u"}], "rows": rows});
        let id = Id::parse(&format!("p{number}")).expect("an id");
        PolicySource { id, content: content.as_object().expect("an object").clone() }
    });
    let policies = Arc::new(PolicySet::compile(0, sources.collect()));
    let user = json!({"id": "u"}).as_object().cloned().map(Arc::new);
    let asker = Asker {
        caller: Arc::new(Caller { user, ..Caller::default() }),
        facts: Arc::new(RequestFacts { base_url: BASE_URL.to_owned(), ..Default::default() }),
        database: store.policy_database(),
        now: Timestamp::UNIX_EPOCH,
    };
    let interaction = Interaction::Search(SearchQuery::all(observation()), SearchForm::Get);
    decide(&policies, asker, interaction).await.expect("a permit").into_parts().1
}

/// The search, in what policies with such rows of Observations grant.
async fn within(store: &Store, rows: &[&str], query: SearchQuery) -> PermittedSearch {
    let rows: Vec<Value> = rows.iter().map(|rows| json!({"Observation": rows})).collect();
    granted(store, &rows).await.search(query).await.expect("a search")
}

async fn of_practitioner(store: &Store) -> PermittedRows {
    let rows: Map<String, Value> =
        OF_PRACTITIONER.into_iter().map(|(of, rows)| (of.to_owned(), rows.into())).collect();
    granted(store, &[rows.into()]).await
}

fn searches(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let store = runtime.block_on(loaded(folder.path()));
    let benched = Benched { runtime: &runtime, store: &store };
    for text in SEARCHES {
        let mut group = criterion.benchmark_group(text);
        benched.search(&mut group, "without rows", &SystemTask::InitBundle.search(query(text)));
        for (name, rows) in ROWS {
            let search = runtime.block_on(within(&store, rows, query(text)));
            benched.search(&mut group, name, &search);
        }
        let again = SystemTask::InitBundle.search(query(text));
        benched.search(&mut group, "without rows, again", &again);
    }
    let rows = runtime.block_on(of_practitioner(&store));
    for text in CHAINED {
        let mut group = criterion.benchmark_group(text);
        let limited = runtime.block_on(rows.search(query(text))).expect("a search");
        let whole = SystemTask::InitBundle.search(query(text));
        for name in ["without rows", "without rows, again"] {
            benched.search(&mut group, name, &whole);
            benched.search(&mut group, &name.replace("without", "within"), &limited);
        }
    }
    benched.include(&mut criterion.benchmark_group("an include of 20"), &rows);
    benched.read(&mut criterion.benchmark_group("a read"), &rows);
}

struct Benched<'b> {
    runtime: &'b Runtime,
    store: &'b Store,
}

type Group<'g> = BenchmarkGroup<'g, WallTime>;

impl Benched<'_> {
    fn search(&self, group: &mut Group<'_>, name: &str, search: &PermittedSearch) {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let page = self.runtime.block_on(self.store.search(search.clone()));
                black_box(page.expect("a page").matches.len())
            });
        });
    }

    /// A page of 20 and the 20 resources that it refers to, as an include reads them.
    fn include(&self, group: &mut Group<'_>, rows: &PermittedRows) {
        let page = SearchQuery { count: 20, ..query("code=c3") };
        let limited = self.runtime.block_on(rows.search(page.clone())).expect("a search");
        let patients = self.runtime.block_on(rows.reached(of_type("Patient"))).expect("rows");
        let whole = SystemTask::InitBundle.search(page);
        let all = SystemTask::InitBundle.rows(of_type("Patient"));
        for name in ["without rows", "without rows, again"] {
            self.page(group, name, (&whole, &all));
            self.page(group, &name.replace("without", "within"), (&limited, &patients));
        }
    }

    fn page(&self, group: &mut Group<'_>, name: &str, permit: (&PermittedSearch, &RowFilter)) {
        let (search, rows) = permit;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                self.runtime.block_on(async {
                    let page = self.store.search(search.clone()).await.expect("a page");
                    let referred_to = page.matches.iter().map(subject).collect();
                    let found = self.store.read_many(referred_to, rows).await.expect("patients");
                    assert_eq!((page.matches.len(), found.len()), (20, 20));
                    black_box(found.len())
                })
            });
        });
    }

    fn read(&self, group: &mut Group<'_>, rows: &PermittedRows) {
        let limited = self.runtime.block_on(rows.reached(of_type("Patient"))).expect("rows");
        for turn in ["", ", again"] {
            for id in READ {
                let target = at("Patient", id);
                group.bench_function(format!("{id}{turn}"), |bencher| {
                    bencher.iter(|| {
                        let read = self.runtime.block_on(self.store.read(&target, &limited));
                        black_box(matches!(read.expect("an answer"), Read::Absent))
                    });
                });
            }
        }
    }
}

/// The patient that an observation is about.
fn subject(stored: &Stored) -> Target {
    let content: Value = serde_json::from_str(&stored.body).expect("JSON");
    let reference = content.pointer("/subject/reference").and_then(Value::as_str);
    let id = reference.and_then(|reference| reference.strip_prefix("Patient/")).expect("a patient");
    at("Patient", id)
}

criterion_group!(benches, searches);
criterion_main!(benches);
