//! What PostgreSQL, the network and other nodes may do, under load: minutes long, with figures.
//! `just faults-postgres` runs them; docs/faults.md has what they showed.

use std::net::SocketAddr;
use std::time::Duration;

use firewarden_testkit::postgres::{CommitFault, Database, Proxy};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::fleet::{Load, Node, durable, is_all_there, until_ready, with_alice};
use crate::harness::{allow_user, token};
use crate::http::Site;
use crate::toggles::toggle;

/// Writers, and as many readers, at each node.
const CLIENTS: usize = 6;

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

fn ms(time: Duration) -> u128 {
    time.as_millis()
}

fn is_within(time: Duration, seconds: u64) {
    assert!(time <= Duration::from_secs(seconds), "{time:?}");
}

/// How long each of some requests takes, while something else goes on.
async fn longest_live(site: &Site, count: usize) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..count {
        let begun = Instant::now();
        site.ask("GET /health/live").await.is(200);
        longest = longest.max(begun.elapsed());
        sleep(Duration::from_millis(20)).await;
    }
    longest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long: just faults-postgres"]
async fn faults_14_postgres_crashes_under_load() {
    let Some((cluster, database)) = durable(&[]) else { return };
    let nodes = [Node::on(&database.url()).await, Node::on(&database.url()).await];
    with_alice(&nodes[0]).await;
    let sites = nodes.each_ref().map(|node| node.site.clone());
    let load = Load::on(&sites, CLIENTS);
    let mut back = Vec::new();
    for _ in 0..3 {
        seconds(3).await;
        tokio::task::block_in_place(|| cluster.stop_immediate());
        seconds(1).await;
        tokio::task::block_in_place(|| cluster.start_again());
        back.push((Instant::now(), until_ready(&sites[0]).await, until_ready(&sites[1]).await));
    }
    seconds(3).await;
    let told = load.end().await;
    is_all_there(&sites[1], &told).await;
    println!("14: {told}");
    for (then, first, second) in back {
        let success = told.back_after(then).unwrap();
        println!(
            "14: ready {} and {} ms after PostgreSQL, first success {} ms",
            ms(first),
            ms(second),
            ms(success)
        );
        is_within(first.max(second), 5);
        is_within(success, 5);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long: just faults-postgres"]
async fn faults_15_postgres_is_cut_off_after_commits_were_sent() {
    let Some((cluster, database)) = durable(&[]) else { return };
    let proxy = Proxy::start(cluster.address());
    let node = Node::on(&database.url_at(proxy.address())).await;
    with_alice(&node).await;
    let load = Load::on(std::slice::from_ref(&node.site), CLIENTS);
    for fault in [CommitFault::CutAfter, CommitFault::CutBefore].repeat(10) {
        sleep(Duration::from_millis(300)).await;
        proxy.at_next_commits(1, fault);
    }
    seconds(1).await;
    let told = load.end().await;
    is_all_there(&node, &told).await;
    println!("15: {told}, {} commits cut", proxy.commit_faults());
    assert!(told.unknown() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long: just faults-postgres"]
async fn faults_16_postgres_fails_over_to_a_synchronous_standby() {
    let Some((primary, database)) = durable(&[]) else { return };
    let standby = primary.standby();
    database.rows("ALTER SYSTEM SET synchronous_standby_names = '*'");
    database.rows("SELECT pg_reload_conf()");
    let url = both(&database, primary.address(), standby.address());
    let nodes = [Node::on(&url).await, Node::on(&url).await];
    with_alice(&nodes[0]).await;
    let sites = nodes.each_ref().map(|node| node.site.clone());
    let load = Load::on(&sites, CLIENTS);
    seconds(3).await;
    tokio::task::block_in_place(|| primary.stop_immediate());
    // A standby that was not promoted is no place to write, nor to decide by.
    seconds(2).await;
    for site in &sites {
        let patient = json!({"resourceType": "Patient", "id": "x"});
        site.root("PUT /fhir/Patient/x").json(&patient).await.is(503);
        site.ask("GET /health/ready").await.is(503);
        site.ask("GET /health/live").await.is(200);
    }
    tokio::task::block_in_place(|| standby.promote());
    let then = Instant::now();
    let (first, second) = (until_ready(&sites[0]).await, until_ready(&sites[1]).await);
    seconds(3).await;
    let told = load.end().await;
    is_all_there(&sites[1], &told).await;
    let success = told.back_after(then).unwrap();
    println!("16: {told}; ready {} and {} ms after the promotion", ms(first), ms(second));
    println!("16: first success {} ms after it", ms(success));
    is_within(first.max(second).max(success), 10);
}

fn both(database: &Database, first: SocketAddr, second: SocketAddr) -> String {
    database.url().replacen(&first.to_string(), &format!("{first},{second}"), 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long: just faults-postgres"]
async fn faults_17_postgres_has_every_connection_of_the_handlers_in_use() {
    let Some((_cluster, database)) = durable(&[]) else { return };
    let node = Node::on(&database.url()).await;
    with_alice(&node).await;
    let policy = json!({
        "resourceType": "AccessPolicy", "id": "by-sql", "engine": "sql",
        "link": [{"reference": "User/mallory"}], "sql": {"query": "SELECT true"},
    });
    node.put(policy).await;
    node.bearer(&token("mallory"), "GET /fhir/Patient").await.is(200);
    let locked = tokio::task::block_in_place(|| Locked::hold(&database));
    let begun = Instant::now();
    let asked = |_| {
        let (site, token) = (node.site.clone(), token("alice"));
        tokio::spawn(async move {
            let answer = site.bearer(&token, "GET /fhir/Patient?active=true").await;
            (answer.status, answer.header("retry-after").map(str::to_owned))
        })
    };
    let searches: Vec<_> = (0..40).map(asked).collect();
    sleep(Duration::from_millis(200)).await;
    // Its rule is answered, or this were 403; its search is not.
    node.bearer(&token("mallory"), "GET /fhir/Patient").await.is(503);
    let live = longest_live(&node, 50).await;
    let mut statuses = std::collections::BTreeMap::<_, usize>::new();
    for search in searches {
        *statuses.entry(search.await.unwrap()).or_default() += 1;
    }
    println!("17: {statuses:?} after {} ms, live within {} ms", ms(begun.elapsed()), ms(live));
    let crowded = statuses.get(&(503, Some("1".to_owned()))).copied().unwrap_or_default();
    assert!(crowded > 0);
    tokio::task::block_in_place(|| locked.release());
    until_ready(&node).await;
    node.bearer(&token("alice"), "GET /fhir/Patient?active=true").await.is(200);
}

/// What nobody can read meanwhile, for some seconds or until it is dropped.
struct Locked {
    database: Database,
    holding: std::thread::JoinHandle<()>,
}

impl Locked {
    fn hold(database: &Database) -> Self {
        let holder = database.clone();
        let holding = std::thread::spawn(move || {
            // That it was ended is no failure.
            let _ = holder.try_rows(
                "DO $$ BEGIN LOCK TABLE resource IN ACCESS EXCLUSIVE MODE; \
                 PERFORM pg_sleep(10); END $$",
            );
        });
        while database.rows("SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'resource'::regclass").is_empty() {}
        Self { database: database.clone(), holding }
    }

    fn release(self) {
        self.database.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DO $$%'",
        );
        self.holding.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long: just faults-postgres"]
async fn faults_18_postgres_ends_ten_connections_a_second() {
    let Some((_cluster, database)) = durable(&[]) else { return };
    let nodes = [Node::on(&database.url()).await, Node::on(&database.url()).await];
    with_alice(&nodes[0]).await;
    let sites = nodes.each_ref().map(|node| node.site.clone());
    let load = Load::on(&sites, CLIENTS);
    let begun = Instant::now();
    let mut kills = 0;
    let mut due = tokio::time::interval(Duration::from_millis(100));
    while begun.elapsed() < Duration::from_secs(30) {
        kills += tokio::task::block_in_place(|| {
            database.rows(
                "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity \
                 WHERE pid <> pg_backend_pid() AND datname = current_database() \
                 AND application_name <> '' ORDER BY random() LIMIT 1) AS one",
            )
        })
        .len();
        due.tick().await;
    }
    let took = begun.elapsed();
    seconds(1).await;
    let told = load.end().await;
    is_all_there(&sites[1], &told).await;
    println!(
        "18: {told}; {kills} kills in {} ms, {} requests failed, 0 of {} decisions wrong",
        ms(took),
        told.failed(),
        told.requests()
    );
    for site in &sites {
        until_ready(site).await;
        site.bearer(&token("alice"), "GET /fhir/Patient?_count=1").await.is(200);
    }
    assert!(told.failed() <= kills, "{} of {kills} kills", told.failed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long: just faults-postgres"]
async fn faults_19_and_48_postgres_is_slow_and_then_not_reached_at_all() {
    let Some((cluster, database)) = durable(&[]) else { return };
    let proxy = Proxy::start(cluster.address());
    let here = Node::on(&database.url()).await;
    let there = Node::on(&database.url_at(proxy.address())).await;
    with_alice(&here).await;
    let asked = || async { there.bearer(&token("alice"), "GET /fhir/Patient?_count=1").await };
    asked().await.is(200);
    for (what, slow) in [("19: by 2 s each way", true), ("48: cut off", false)] {
        if slow {
            proxy.delay(Duration::from_secs(2))
        } else {
            proxy.black_hole(true)
        }
        let begun = Instant::now();
        here.delete("/AccessPolicy/allow-alice").await;
        let acknowledged = begun.elapsed();
        // Never allowed after that; before long, not answered at all.
        let after = asked().await;
        assert!(matches!(after.status, 403 | 503), "{after:?}");
        let refused = begun.elapsed();
        let load = Load::on(std::slice::from_ref(&there.site), CLIENTS);
        let live = longest_live(&there, 200).await;
        there.ask("GET /health/live").await.is(200);
        let told = load.end_of_refused().await;
        println!(
            "{what}: the change was acknowledged after {} ms, the request after it answered {} \
             after {} ms; live within {} ms; {told}",
            ms(acknowledged),
            after.status,
            ms(refused),
            ms(live)
        );
        is_within(acknowledged, 2);
        if slow {
            proxy.delay(Duration::ZERO)
        } else {
            proxy.black_hole(false)
        }
        let back = until_ready(&there).await;
        println!("{what}: ready again after {} ms", ms(back));
        is_within(back, 10);
        here.put(allow_user("alice")).await;
        asked().await.is(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long: just faults-postgres"]
async fn faults_20_postgres_cancels_the_rules_of_policies() {
    let Some((_cluster, database)) = durable(&[]) else { return };
    let node = Node::on(&database.url()).await;
    node.trust().await;
    node.put(json!({"resourceType": "User", "id": "bob"})).await;
    node.put(json!({"resourceType": "Patient", "id": "x"})).await;
    node.put(json!({
        "resourceType": "AccessPolicy", "id": "by-sql", "engine": "sql",
        "link": [{"reference": "User/bob"}],
        "sql": {"query": "SELECT true FROM patient WHERE id = 'x'"},
    }))
    .await;
    let asked = || async { node.bearer(&token("bob"), "GET /fhir/Patient").await };
    asked().await.is(200);
    let locked = tokio::task::block_in_place(|| Locked::hold(&database));
    let mut refused = 0;
    for _ in 0..10 {
        let canceller = database.clone();
        let cancelling = tokio::task::spawn_blocking(move || {
            canceller.rows(
                "SELECT pg_sleep(0.05), pg_cancel_backend(pid) FROM pg_stat_activity \
                 WHERE pid <> pg_backend_pid() AND datname = current_database() \
                 AND state = 'active' AND query NOT LIKE 'DO $$%'",
            );
        });
        let answer = asked().await;
        assert!(matches!(answer.status, 403 | 503), "{answer:?}");
        refused += usize::from(answer.status == 403);
        cancelling.await.unwrap();
    }
    tokio::task::block_in_place(|| locked.release());
    while asked().await.status != 200 {
        sleep(Duration::from_millis(50)).await;
    }
    println!(
        "20: 10 requests whose rule was cancelled or held up: {refused} answered 403, the rest 503"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long: just faults-postgres"]
async fn faults_34_half_of_the_nodes_on_postgres_are_killed() {
    let Some((_cluster, database)) = durable(&[]) else { return };
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(Node::on(&database.url()).await);
    }
    with_alice(&nodes[0]).await;
    let sites: Vec<_> = nodes.iter().map(|node| node.site.clone()).collect();
    let load = Load::on(&sites[..2], CLIENTS);
    seconds(2).await;
    for node in &mut nodes[2..] {
        node.kill();
    }
    let mut changes = Vec::new();
    for _ in 0..10 {
        let begun = Instant::now();
        sites[0].put(allow_user("mallory-2")).await;
        changes.push(begun.elapsed());
    }
    seconds(1).await;
    let told = load.end().await;
    is_all_there(&sites[1], &told).await;
    let changes: Vec<_> = changes.into_iter().map(ms).collect();
    println!("34: {told}; changes of a policy took {changes:?} ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long: just faults-postgres"]
async fn faults_none_and_100_writers_toggle_policies_on_postgres_while_1000_readers_ask() {
    let Some((primary, database)) = durable(&[]) else { return };
    let standby = primary.standby();
    let nodes = [
        Node::on(&database.url()).await,
        Node::on(&database.url()).await,
        Node::on(&database.url()).await,
    ];
    nodes[0].trust().await;
    let sites = nodes.each_ref().map(|node| node.site.clone());
    let begun = Instant::now();
    let toggled = toggle(&sites, 100, 1_000, 1).await;
    println!("toggling: {toggled} in {} ms", ms(begun.elapsed()));
    assert!(toggled.refused > 0 && toggled.allowed > 0);
    tokio::task::block_in_place(|| standby.catch_up_with(&primary));
}
