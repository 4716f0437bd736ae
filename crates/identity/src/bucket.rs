//! How often a thing may be done that anybody can cause.

use std::time::Duration;

use tokio::time::Instant;

/// A few at once, then one every while.
#[derive(Debug)]
pub(crate) struct Bucket {
    most: u32,
    refill: Duration,
    left: u32,
    filled: Instant,
}

impl Bucket {
    /// A full one, of so many, that refills by one every while.
    pub(crate) fn full((most, refill): (u32, Duration), now: Instant) -> Self {
        Self { most, refill, left: most, filled: now }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        while self.left < self.most && now >= self.filled + self.refill {
            self.left += 1;
            self.filled += self.refill;
        }
        if self.left == self.most {
            self.filled = now;
        }
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn three_at_once_and_one_more_every_ten_seconds() {
        let start = Instant::now();
        let mut bucket = Bucket::full((3, Duration::from_secs(10)), start);
        let mut taken_at = |second| bucket.take(start + Duration::from_secs(second));
        for (second, taken) in [
            (100, true),
            (100, true),
            (100, true),
            (100, false),
            (109, false),
            (110, true),
            (110, false),
            (119, false),
            (120, true),
            (1_000, true),
            (1_000, true),
            (1_000, true),
            (1_000, false),
        ] {
            assert_eq!(taken_at(second), taken, "{second}");
        }
    }
}
