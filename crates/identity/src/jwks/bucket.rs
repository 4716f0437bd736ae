//! How often a token with an unknown key may cause a fetch.

use tokio::time::Instant;

use crate::limits;

/// A few fetches at once, then one every while.
#[derive(Debug)]
pub(super) struct Bucket {
    left: u32,
    filled: Instant,
}

impl Bucket {
    pub(super) fn full(now: Instant) -> Self {
        Self { left: limits::REFETCHES_MAX, filled: now }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        while self.left < limits::REFETCHES_MAX && now >= self.filled + limits::REFETCH_REFILL {
            self.left += 1;
            self.filled += limits::REFETCH_REFILL;
        }
        if self.left == limits::REFETCHES_MAX {
            self.filled = now;
        }
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn three_at_once_and_one_more_every_ten_seconds() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
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
