//! How long requests took, by how many took no longer than so long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::exposition::Exposition;

/// The upper ends of the buckets, in microseconds and as they are written.
const ENDS: [(u128, &str); 13] = [
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (1_000_000, "1"),
    (5_000_000, "5"),
    (30_000_000, "30"),
];

#[derive(Default)]
pub(super) struct Histogram {
    /// The last one is of those that took longer than any end.
    counts: [AtomicU64; ENDS.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    pub(super) fn add(&self, took: Duration) {
        let took_us = took.as_micros();
        let bucket = ENDS.iter().position(|(end_us, _)| took_us <= *end_us).unwrap_or(ENDS.len());
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(u64::try_from(took_us).unwrap_or_default(), Ordering::Relaxed);
    }

    /// Writes the buckets, each with those below it. Nothing, of what never came.
    pub(super) fn expose(&self, operation: &str, text: &mut Exposition) {
        let counts: Vec<u64> = self.counts.iter().map(|c| c.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return;
        }
        let mut below = 0;
        for (count, (_, end)) in counts.iter().zip(&ENDS) {
            below += count;
            text.part("_bucket", &[("operation", operation), ("le", end)], below);
        }
        text.part("_bucket", &[("operation", operation), ("le", "+Inf")], total);
        let sum_us = self.sum_us.load(Ordering::Relaxed);
        let sum_s = format!("{}.{:06}", sum_us / 1_000_000, sum_us % 1_000_000);
        text.part("_sum", &[("operation", operation)], sum_s);
        text.part("_count", &[("operation", operation)], total);
    }
}
