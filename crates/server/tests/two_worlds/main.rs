//! Two worlds that are equal in all that some callers may see, and different in all else, answer
//! these callers alike, whatever they ask.
//!
//! `FIREWARDEN_TWO_WORLDS_REQUESTS` says how many requests are made, and
//! `FIREWARDEN_TWO_WORLDS_SEED` which; a failure prints what repeats it.

#![cfg(test)]

mod hidden;
mod normalise;
mod random;
mod requests;
mod tally;
mod vocabulary;
mod world;

use requests::{Request, Requests};
use serde_json::Value;
use tally::Tally;
use world::{Answer, World, next_millisecond};

/// Requests when nothing else is said.
const REQUESTS: usize = 5_000;
/// The first seed when nothing else is said.
const SEED: u64 = 1;
/// Requests to one pair of worlds; then two others are made.
const REQUESTS_PER_PAIR: usize = 1_000;
/// How often, in a hundred requests, what is hidden changes.
const STIRRED: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_may_not_see_changes_no_answer() {
    let mut left = setting("FIREWARDEN_TWO_WORLDS_REQUESTS", REQUESTS);
    let mut seed = setting("FIREWARDEN_TWO_WORLDS_SEED", SEED);
    let mut tally = Tally::default();
    while left > 0 {
        let count = left.min(REQUESTS_PER_PAIR);
        println!("seed {seed}: {count} requests");
        Pair::new(seed).await.compare(count, &mut tally).await;
        left -= count;
        seed += 1;
    }
    println!("{tally}");
    tally.assert_meaningful();
}

/// Two worlds, and who asks both.
struct Pair {
    seed: u64,
    one: World,
    other: World,
    requests: Requests,
    chance: random::Random,
}

impl Pair {
    async fn new(seed: u64) -> Self {
        let (first, second) = (seed.wrapping_mul(2), seed.wrapping_mul(2) + 1);
        let (one, other) = tokio::join!(World::new("one", first), World::new("other", second));
        let chance = random::Random::new(seed ^ 0x5EED);
        Self { seed, one, other, requests: Requests::new(seed), chance }
    }

    async fn compare(mut self, count: usize, tally: &mut Tally) {
        let mut following = None;
        for number in 0..count {
            let request = match following.take() {
                Some(request) => request,
                None => self.requests.any(&self.one.seen),
            };
            following = self.ask(number, &request, tally).await;
            if self.chance.percent(STIRRED) {
                tokio::join!(self.one.stir(), self.other.stir());
            }
        }
        tokio::join!(self.one.end(), self.other.end());
    }

    /// Asks both worlds the same; the request for the next page, if somebody goes there.
    async fn ask(
        &mut self,
        number: usize,
        request: &Request,
        tally: &mut Tally,
    ) -> Option<Request> {
        let (one, other) = tokio::join!(self.one.ask(request), self.other.ask(request));
        let pages = self.one.seen.cursors();
        let told = self.one.seen.normalised(request, &one);
        let told_there = self.other.seen.normalised(request, &other);
        let again = format!("seed {}, request {number}: {request:#?}", self.seed);
        assert!(told == told_there, "{again}\n\none world: {told}\n\nthe other: {told_there}");
        for (world, answer) in [(&self.one, &one), (&self.other, &other)] {
            assert!(!world.shows_hidden(answer), "{again}\n\n{}", answer.text);
        }
        assert!(one.status < 500, "{again}\n\n{told}");
        tally.add(request, &one);
        self.look_at_written(request, &one, &other).await;
        if request.method != "GET" {
            next_millisecond().await;
        }
        let next = self.one.seen.cursors().checked_sub(1).filter(|last| *last >= pages)?;
        self.requests.next_page(request, next)
    }
}

impl Pair {
    /// What a caller has written is what the caller may see: nobody writes out of sight.
    async fn look_at_written(&self, request: &Request, one: &Answer, other: &Answer) {
        if !request.kind.writes() || !matches!(one.status, 200 | 201) {
            return;
        }
        for (world, answer) in [(&self.one, one), (&self.other, other)] {
            let written: Value = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
            let (Some(of), Some(id)) = (written["resourceType"].as_str(), written["id"].as_str())
            else {
                continue;
            };
            let read = world.ask(&request.read(of, id)).await;
            assert_eq!(read.status, 200, "seed {}: {request:#?}\n{}", self.seed, answer.text);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the test says how long it takes")]
fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().ok().unwrap_or_else(|| panic!("{name} is not a number: {text}")),
        Err(_) => default,
    }
}
