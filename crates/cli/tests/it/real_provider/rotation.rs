//! A real provider that changes its keys under load: no token that it would verify is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use firewarden_testkit::RealProvider;
use tempfile::TempDir;
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::server;
use crate::http::Site;

/// 250 requests a second for ten seconds, if the machine can.
const REQUESTS: usize = 2_500;
const WORKERS: usize = 10;
const PACE: Duration = Duration::from_millis(40);

/// Tokens that the provider would verify now.
struct Valid {
    tokens: RwLock<Vec<String>>,
    answered: AtomicUsize,
}

/// Asks at a steady pace; the answers that were not 200.
async fn asking(site: Site, valid: Arc<Valid>) -> Vec<String> {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut failed = Vec::new();
    loop {
        pace.tick().await;
        // Held until the answer is there, so that no token loses its key while it is judged.
        let tokens = valid.tokens.read().await;
        let turn = valid.answered.fetch_add(1, Ordering::Relaxed);
        if turn >= REQUESTS {
            return failed;
        }
        let token = &tokens[turn % tokens.len()];
        let answer = site.bearer(token, "GET /fhir/Patient").await;
        if answer.status != 200 {
            failed.push(format!("{turn}: {answer:?}"));
        }
    }
}

/// Adds new tokens, and lets the oldest go, until so many requests were sent.
async fn renew(provider: &RealProvider, valid: &Valid, until: usize) {
    const TOKENS_MAX: usize = 40;
    while valid.answered.load(Ordering::Relaxed) < until {
        for resource in ["urn:jwt:RS256", "urn:jwt:ES256"] {
            let token = provider.client_credentials(resource).await.unwrap();
            let mut tokens = valid.tokens.write().await;
            tokens.push(token);
            if tokens.len() > TOKENS_MAX {
                tokens.remove(0);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_provider_rotation_under_load_fails_no_request() {
    let Some(provider) = RealProvider::start().await.unwrap() else { return };
    let home = TempDir::new().unwrap();
    let server = server(&provider, &home).await;
    let site = &server.site;
    let before = provider.client_credentials("urn:jwt:RS256").await.unwrap();
    site.bearer(&before, "GET /fhir/Patient").await.is(200);
    // The key set was loaded just now, and has a key less than the provider.
    provider.rotate("RS256", true).await.unwrap();
    let after = provider.client_credentials("urn:jwt:RS256").await.unwrap();
    let tokens = RwLock::new(vec![before.clone(), after.clone()]);
    let valid = Arc::new(Valid { tokens, answered: AtomicUsize::new(0) });
    let workers = (0..WORKERS).map(|_| asking(site.clone(), Arc::clone(&valid)));
    let workers: JoinSet<Vec<String>> = workers.collect();

    renew(&provider, &valid, REQUESTS / 3).await;
    provider.rotate("ES256", true).await.unwrap();
    renew(&provider, &valid, REQUESTS * 2 / 3).await;
    // The old keys of RS256 end at once: none of their tokens is in use then.
    let mut tokens = valid.tokens.write().await;
    *tokens = vec![provider.client_credentials("urn:jwt:ES256").await.unwrap()];
    drop(tokens);
    provider.rotate("RS256", false).await.unwrap();
    renew(&provider, &valid, REQUESTS).await;

    let failed = workers.join_all().await.concat();
    assert!(failed.is_empty(), "{} of {REQUESTS} failed: {failed:#?}", failed.len());
    for gone in [before, after] {
        site.bearer(&gone, "GET /fhir/Patient").await.is(401);
    }
}
