//! Several servers on one PostgreSQL, each on threads of its own that can be taken away at once, and
//! load on them that remembers what it was told.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use firewarden_testkit::postgres::{Cluster, Database, Options};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::harness::{TestServer, allow_user, token};
use crate::http::Site;

/// A server of ours on a database.
pub(crate) struct Node {
    server: TestServer,
    runtime: Option<Runtime>,
}

impl std::ops::Deref for Node {
    type Target = TestServer;

    fn deref(&self) -> &TestServer {
        &self.server
    }
}

impl Node {
    pub(crate) async fn on(url: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let url = url.to_owned();
        let server = runtime.spawn(async move {
            let key = "07".repeat(32);
            let settings = [
                ("DATABASE_URL", url.as_str()),
                ("SECRETS_KEY", key.as_str()),
                ("PUBLIC_URL", "https://fhir.example.com"),
            ];
            TestServer::with(&settings).await
        });
        Self { server: server.await.unwrap(), runtime: Some(runtime) }
    }

    /// Takes the node away: nothing of it runs on, and it says goodbye to nobody.
    pub(crate) fn kill(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A cluster of its own, to break, which loses nothing that it acknowledged.
pub(crate) fn durable(settings: &[(&str, &str)]) -> Option<(Cluster, Database)> {
    let setting = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let settings = settings.iter().map(setting).collect();
    let cluster = Cluster::start(&Options { durable: true, settings })?;
    let database = cluster.database();
    Some((cluster, database))
}

/// Trusts tokens, and lets alice do everything; mallory may do nothing.
pub(crate) async fn with_alice(site: &TestServer) {
    site.trust().await;
    for id in ["alice", "mallory"] {
        site.put(json!({"resourceType": "User", "id": id})).await;
    }
    site.put(allow_user("alice")).await;
}

/// What one request was told.
struct Event {
    ended: Instant,
    took: Duration,
    /// 0 where the server could not be reached.
    status: u16,
    is_unknown: bool,
}

/// What some clients were told, and what they wrote.
#[derive(Default)]
pub(crate) struct Told {
    events: Vec<Event>,
    /// Ids of the resources whose write was acknowledged.
    pub(crate) acknowledged: Vec<String>,
    /// Answers that no policy gives the caller, with what was said.
    pub(crate) wrong: Vec<String>,
}

impl Told {
    pub(crate) fn requests(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn count(&self, status: u16) -> usize {
        self.events.iter().filter(|event| event.status == status).count()
    }

    pub(crate) fn failed(&self) -> usize {
        self.events.iter().filter(|event| event.status == 0 || event.status >= 500).count()
    }

    pub(crate) fn unknown(&self) -> usize {
        self.events.iter().filter(|event| event.is_unknown).count()
    }

    /// The longest time that a request took.
    pub(crate) fn longest(&self) -> Duration {
        self.events.iter().map(|event| event.took).max().unwrap_or_default()
    }

    /// From then until the first success after it; `None` if there was none.
    pub(crate) fn back_after(&self, then: Instant) -> Option<Duration> {
        let successes = self.events.iter().filter(|e| e.ended > then && e.status < 400);
        successes.map(|event| event.ended - then).min()
    }

    fn add(&mut self, other: Self) {
        self.events.extend(other.events);
        self.acknowledged.extend(other.acknowledged);
        self.wrong.extend(other.wrong);
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut statuses = BTreeMap::<u16, usize>::new();
        for event in &self.events {
            *statuses.entry(event.status).or_default() += 1;
        }
        let longest = self.longest().as_millis();
        let acknowledged = self.acknowledged.len();
        write!(
            f,
            "{} requests, by status {statuses:?}, {} of unknown fate, {acknowledged} resources \
             written, longest {longest} ms",
            self.events.len(),
            self.unknown()
        )
    }
}

/// Clients that ask on and on, until they are told to stop.
pub(crate) struct Load {
    ended: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Told>>,
}

static CLIENTS: AtomicUsize = AtomicUsize::new(0);

impl Load {
    /// At each site so many writers, who repeat a write until it is acknowledged, and as many readers:
    /// every other request of theirs is one that nobody may make.
    pub(crate) fn on(sites: &[Site], clients: usize) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for site in sites {
            for _ in 0..clients {
                let number = CLIENTS.fetch_add(1, Ordering::SeqCst);
                tasks.push(tokio::spawn(write(site.clone(), number, Arc::clone(&ended))));
                tasks.push(tokio::spawn(read(site.clone(), Arc::clone(&ended))));
            }
        }
        Self { ended, clients: tasks }
    }

    /// Ends it. Nobody was told anything that no policy says.
    pub(crate) async fn end(self) -> Told {
        let told = self.stop().await;
        assert!(told.wrong.is_empty(), "{}", told.wrong.join("\n"));
        told
    }

    /// Ends it, where nobody may have been allowed anything.
    pub(crate) async fn end_of_refused(self) -> Told {
        let told = self.stop().await;
        assert_eq!(told.count(200) + told.count(201), 0, "{told}");
        told
    }

    async fn stop(self) -> Told {
        self.ended.store(true, Ordering::SeqCst);
        let mut told = Told::default();
        for client in self.clients {
            told.add(client.await.unwrap());
        }
        told
    }
}

async fn write(site: Site, number: usize, ended: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    let token = token("alice");
    for count in 0.. {
        let id = format!("w{number}-{count}");
        let patient = json!({"resourceType": "Patient", "id": id, "active": true});
        loop {
            if ended.load(Ordering::SeqCst) {
                return told;
            }
            let ask = site.bearer(&token, &format!("PUT /fhir/Patient/{id}")).json(&patient);
            let status = told.ask(ask, &[200, 201, 503]).await;
            if matches!(status, 200 | 201) {
                told.acknowledged.push(id);
                break;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
    told
}

async fn read(site: Site, ended: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    let (alice, mallory) = (token("alice"), token("mallory"));
    while !ended.load(Ordering::SeqCst) {
        let line = "GET /fhir/Patient?_count=1";
        let status = told.ask(site.bearer(&alice, line), &[200, 503]).await;
        told.ask(site.bearer(&mallory, line), &[403, 503]).await;
        if status != 200 {
            sleep(Duration::from_millis(10)).await;
        }
    }
    told
}

impl Told {
    async fn ask(&mut self, ask: crate::http::Ask, right: &[u16]) -> u16 {
        let begun = Instant::now();
        let answer = ask.attempt().await;
        let (status, text) =
            answer.map_or((0, String::new()), |answer| (answer.status, answer.text));
        let ended = Instant::now();
        let is_unknown = status == 503 && text.contains("unknown whether");
        if status != 0 && !right.contains(&status) {
            self.wrong.push(format!("{status}: {text}"));
        }
        self.events.push(Event { ended, took: ended - begun, status, is_unknown });
        status
    }
}

/// That what was acknowledged is there, each once, and nothing twice.
pub(crate) async fn is_all_there(site: &Site, told: &Told) {
    for id in &told.acknowledged {
        site.root(&format!("GET /fhir/Patient/{id}")).await.is(200);
    }
    let counted = site.root("GET /fhir/Patient?_summary=count").await.is(200).at("/total");
    let counted = usize::try_from(counted.as_u64().unwrap()).unwrap();
    // Each writer may have been stopped while it did not know the fate of its last one.
    let writers = CLIENTS.load(Ordering::SeqCst);
    let acknowledged = told.acknowledged.len();
    assert!(
        (acknowledged..=acknowledged + writers).contains(&counted),
        "{counted} are there, {acknowledged} were acknowledged"
    );
}

/// Until the site says so; how long that took.
pub(crate) async fn until_ready(site: &Site) -> Duration {
    let begun = Instant::now();
    loop {
        let answer = site.ask("GET /health/ready").attempt().await;
        if answer.is_ok_and(|answer| answer.status == 200) {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not come back");
        sleep(Duration::from_millis(20)).await;
    }
}
