//! Many connections sending requests as fast as they are answered, for a while.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connection::Connection;

/// Requests that are sent in turn over some connections.
#[derive(Clone)]
pub(super) struct Load {
    pub(super) requests: Arc<Vec<Vec<u8>>>,
    pub(super) connections: usize,
    next: Arc<AtomicUsize>,
}

/// What was measured; every answer was a success.
#[derive(Default)]
pub(super) struct Sample {
    latencies_us: Vec<u32>,
    seconds: f64,
}

impl Load {
    pub(super) fn new(requests: Vec<Vec<u8>>, connections: usize) -> Self {
        Self { requests: Arc::new(requests), connections, next: Arc::default() }
    }

    /// Sends for a time; an answer that is no success fails the whole.
    pub(super) async fn send(
        &self,
        address: SocketAddr,
        duration: Duration,
    ) -> anyhow::Result<Sample> {
        let start = Instant::now();
        let mut connections = JoinSet::new();
        for _ in 0..self.connections {
            connections.spawn(self.clone().send_on_one(address, start + duration));
        }
        let mut sample = Sample::default();
        while let Some(latencies_us) = connections.join_next().await {
            sample.latencies_us.extend(latencies_us??);
        }
        sample.seconds = start.elapsed().as_secs_f64();
        Ok(sample)
    }

    async fn send_on_one(self, address: SocketAddr, until: Instant) -> anyhow::Result<Vec<u32>> {
        let mut connection = Connection::open(address).await?;
        let mut latencies_us = Vec::new();
        let mut before = Instant::now();
        while before < until {
            let index = self.next.fetch_add(1, Ordering::Relaxed) % self.requests.len().max(1);
            let request = self.requests.get(index).context("there are no requests")?;
            let status = connection.exchange(request).await?;
            anyhow::ensure!(
                (200..300).contains(&status),
                "{status} to {}: {}",
                first_line(request),
                String::from_utf8_lossy(connection.body())
            );
            let now = Instant::now();
            latencies_us.push(u32::try_from((now - before).as_micros()).unwrap_or(u32::MAX));
            before = now;
        }
        Ok(latencies_us)
    }
}

impl Sample {
    /// Adds what was measured in another turn.
    pub(super) fn add(&mut self, other: Self) {
        self.latencies_us.extend(other.latencies_us);
        self.seconds += other.seconds;
    }

    pub(super) fn count(&self) -> usize {
        self.latencies_us.len()
    }

    pub(super) fn per_second(&self) -> f64 {
        self.latencies_us.len() as f64 / self.seconds.max(f64::EPSILON)
    }

    /// The latency in µs that `per_cent` of the requests did not exceed.
    pub(super) fn percentile_us(&self, per_cent: usize) -> u32 {
        let mut sorted = self.latencies_us.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * per_cent).div_ceil(100).saturating_sub(1);
        sorted.get(rank).copied().unwrap_or_default()
    }
}

fn first_line(request: &[u8]) -> String {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::{Router, routing::get};

    use super::super::connection::request;
    use super::*;

    async fn serve(router: Router) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    #[tokio::test]
    async fn every_answer_is_counted() {
        let address = serve(super::super::bare::router()).await;
        let requests =
            vec![request("GET", "/a", "Basic x", ""), request("POST", "/b", "Basic x", "{}")];
        let sample = Load::new(requests, 4).send(address, Duration::from_millis(50)).await.unwrap();
        assert!(sample.count() > 0);
        assert!(sample.percentile_us(50) <= sample.percentile_us(99));
    }

    #[tokio::test]
    async fn one_failure_fails_the_measurement() {
        let refuse = || async { (StatusCode::FORBIDDEN, "no") };
        let address = serve(Router::new().route("/refused", get(refuse))).await;
        let load = Load::new(vec![request("GET", "/refused", "Basic x", "")], 2);
        let error = load.send(address, Duration::from_millis(50)).await.err().unwrap();
        assert_eq!(error.to_string(), "403 to GET /refused HTTP/1.1: no");
    }

    #[test]
    fn percentiles_are_taken_from_all_turns() {
        let turn = |latencies_us| Sample { latencies_us, seconds: 1.0 };
        let mut sample = turn((1..=50).rev().collect());
        sample.add(turn((51..=100).collect()));
        assert_eq!((sample.percentile_us(50), sample.percentile_us(99)), (50, 99));
        assert!((sample.per_second() - 50.0).abs() < 1e-9);
        assert_eq!(Sample::default().percentile_us(50), 0);
    }
}
