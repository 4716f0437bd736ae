//! What the rows of a permit cost a search: each search without rows and within some, in turns. Run by
//! `cargo bench --package firewarden-store`.

#![expect(clippy::expect_used, reason = "a benchmark may panic")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use firewarden_access::{
    Asker, Caller, PermittedSearch, PolicySet, PolicySource, RequestFacts, SystemTask, decide,
};
use firewarden_fhir::search::{Handling, ParseSearch, SearchQuery};
use firewarden_fhir::{Id, Interaction, Resource, ResourceType, SearchForm, Target, Timestamp};
use firewarden_store::{Change, Database, Store, StoreSettings, Write, WriteRequest};
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

fn observation() -> ResourceType {
    ResourceType::parse("Observation").expect("a type")
}

fn create(name: &str, id: &str, content: &str) -> Write {
    let resource_type = ResourceType::parse(name).expect("a type");
    let content = firewarden_fhir::json::parse(content.as_bytes()).expect("JSON");
    let content = content.as_object().expect("an object").clone();
    let resource = Resource { resource_type, content };
    let change = Change::Create { resource, secrets: Vec::new() };
    let target = Target::new(resource_type, Id::parse(id).expect("an id"));
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
    let all: Vec<Write> =
        (0..PATIENTS).map(patient).chain((0..OBSERVATIONS).map(observed)).collect();
    let mut all = all.into_iter().peekable();
    while all.peek().is_some() {
        let writes = all.by_ref().take(1_000).collect();
        let now = Timestamp::UNIX_EPOCH;
        store.write(WriteRequest { policy_version: None, now, writes }).await.expect("written");
    }
    store
}

fn query(text: &str) -> SearchQuery {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let pairs: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let now = Timestamp::UNIX_EPOCH;
    let parse = ParseSearch { base_url: BASE_URL, now, handling: Handling::Strict };
    let query = parse.read(observation(), &pairs).expect("a search");
    SearchQuery { count: 10, ..query }
}

/// The search, in what policies with such rows grant.
async fn within(store: &Store, rows: &[&str], query: SearchQuery) -> PermittedSearch {
    let sources = rows.iter().enumerate().map(|(number, rows)| {
        let content = serde_json::json!({"engine": "allow", "rows": {"Observation": rows}});
        let id = Id::parse(&format!("p{number}")).expect("an id");
        PolicySource { id, content: content.as_object().expect("an object").clone() }
    });
    let policies = Arc::new(PolicySet::compile(0, sources.collect()));
    let asker = Asker {
        caller: Arc::new(Caller::default()),
        facts: Arc::new(RequestFacts { base_url: BASE_URL.to_owned(), ..Default::default() }),
        database: store.policy_database(),
        now: Timestamp::UNIX_EPOCH,
    };
    let interaction = Interaction::Search(query.clone(), SearchForm::Get);
    let permit = decide(&policies, asker, interaction).await.expect("a permit");
    permit.into_parts().1.search(query).await.expect("a search")
}

fn searches(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let store = runtime.block_on(loaded(folder.path()));
    for text in SEARCHES {
        let mut group = criterion.benchmark_group(text);
        let mut run = |name: &str, search: &PermittedSearch| {
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let page = runtime.block_on(store.search(search.clone()));
                    black_box(page.expect("a page").matches.len())
                });
            });
        };
        run("without rows", &SystemTask::InitBundle.search(query(text)));
        for (name, rows) in ROWS {
            run(name, &runtime.block_on(within(&store, rows, query(text))));
        }
        run("without rows, again", &SystemTask::InitBundle.search(query(text)));
    }
}

criterion_group!(benches, searches);
criterion_main!(benches);
