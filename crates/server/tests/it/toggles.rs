//! Policies that come and go at nodes chosen at random, and requests at others: what was decided is
//! held against the history of what was acknowledged.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::harness::{allow_user, token};
use crate::http::Site;

/// A user whose policy comes and goes.
struct User {
    id: String,
    token: String,
    /// Odd while it is away: from when that was acknowledged until it is about to come back.
    phase: AtomicUsize,
}

struct History {
    sites: Vec<Site>,
    users: Vec<User>,
    ended: AtomicBool,
    refused: AtomicUsize,
    allowed: AtomicUsize,
    unavailable: AtomicUsize,
}

/// How long after its request another reader may make one: a machine does so many requests.
const BETWEEN_READS: Duration = Duration::from_millis(5);

/// What it came to.
pub(crate) struct Toggled {
    /// Requests that began after an acknowledged refusal, and ended before the next permission began.
    pub(crate) refused: usize,
    pub(crate) allowed: usize,
    unavailable: usize,
    changes: usize,
    longest_change: Duration,
}

impl fmt::Display for Toggled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { refused, allowed, unavailable, changes, longest_change } = self;
        write!(
            f,
            "{changes} changes, the longest {} ms; {refused} requests while it was away, all refused; \
             {allowed} allowed, {unavailable} answered 503",
            longest_change.as_millis()
        )
    }
}

/// So many writers toggle a policy each, so many times, while so many readers ask.
pub(crate) async fn toggle(
    sites: &[Site],
    writers: usize,
    readers: usize,
    rounds: usize,
) -> Toggled {
    let user = |number: usize| {
        let id = format!("toggled-{number}");
        User { token: token(&id), id, phase: AtomicUsize::new(0) }
    };
    let history = Arc::new(History {
        sites: sites.to_vec(),
        users: (0..writers).map(user).collect(),
        ended: AtomicBool::new(false),
        refused: AtomicUsize::new(0),
        allowed: AtomicUsize::new(0),
        unavailable: AtomicUsize::new(0),
    });
    for user in &history.users {
        sites[0].put(json!({"resourceType": "User", "id": user.id})).await;
    }
    let pause = BETWEEN_READS * u32::try_from(readers).unwrap();
    let reading: Vec<_> =
        (0..readers).map(|_| tokio::spawn(read(Arc::clone(&history), pause))).collect();
    let write = |number| tokio::spawn(write(Arc::clone(&history), number, (rounds, pause)));
    let writing: Vec<_> = (0..writers).map(write).collect();
    let mut longest_change = Duration::ZERO;
    for writer in writing {
        longest_change = longest_change.max(writer.await.unwrap());
    }
    history.ended.store(true, Ordering::SeqCst);
    for reader in reading {
        reader.await.unwrap();
    }
    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    Toggled {
        refused: count(&history.refused),
        allowed: count(&history.allowed),
        unavailable: count(&history.unavailable),
        changes: writers * rounds * 2,
        longest_change,
    }
}

impl History {
    fn site(&self) -> &Site {
        &self.sites[random(self.sites.len())]
    }

    /// Makes a change at some node, until it is acknowledged; how long the last try took.
    async fn change(&self, line: &str, body: Option<&serde_json::Value>) -> Duration {
        loop {
            let begun = Instant::now();
            let ask = self.site().root(line);
            let answer = match body {
                Some(body) => ask.json(body).await,
                None => ask.await,
            };
            match answer.status {
                200 | 201 | 204 => return begun.elapsed(),
                503 => sleep(Duration::from_millis(10)).await,
                _ => panic!("{answer:?}"),
            }
        }
    }
}

async fn write(
    history: Arc<History>,
    number: usize,
    (rounds, away): (usize, Duration),
) -> Duration {
    let user = &history.users[number];
    let mut longest = Duration::ZERO;
    for _ in 0..rounds {
        let put = format!("PUT /AccessPolicy/allow-{}", user.id);
        longest = longest.max(history.change(&put, Some(&allow_user(&user.id))).await);
        let delete = format!("DELETE /AccessPolicy/allow-{}", user.id);
        longest = longest.max(history.change(&delete, None).await);
        user.phase.fetch_add(1, Ordering::SeqCst);
        // It stays away for a while, so that requests meet its absence.
        sleep(away).await;
        user.phase.fetch_add(1, Ordering::SeqCst);
    }
    longest
}

async fn read(history: Arc<History>, pause: Duration) {
    while !history.ended.load(Ordering::SeqCst) {
        sleep(pause * u32::try_from(random(2_000)).unwrap() / 1_000).await;
        let user = &history.users[random(history.users.len())];
        let before = user.phase.load(Ordering::SeqCst);
        let answer = history.site().bearer(&user.token, "GET /fhir/Patient?_count=1").await;
        let same = user.phase.load(Ordering::SeqCst) == before;
        match answer.status {
            200 => {
                assert!(!(same && before % 2 == 1), "allowed after it was taken away: {answer:?}");
                history.allowed.fetch_add(1, Ordering::SeqCst);
            }
            403 if same && before % 2 == 1 => {
                history.refused.fetch_add(1, Ordering::SeqCst);
            }
            403 => {}
            503 => {
                history.unavailable.fetch_add(1, Ordering::SeqCst);
            }
            _ => panic!("{answer:?}"),
        }
    }
}

/// A number below so many.
fn random(below: usize) -> usize {
    let hash = RandomState::new().build_hasher().finish();
    usize::try_from(hash % u64::try_from(below).unwrap()).unwrap()
}
