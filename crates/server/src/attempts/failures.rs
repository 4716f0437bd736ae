//! Failures one after the other, and how long the next attempt waits for them.

use firewarden_fhir::Timestamp;

use super::Wait;
use crate::limits;

/// How failures are taken.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// So many cost nothing.
    pub free: u32,
    /// After those the wait doubles with each one, up to so many seconds.
    pub wait_s_max: u64,
}

/// Failures one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failures {
    count: u32,
    last: Timestamp,
}

impl Failures {
    /// One more, after those before it.
    pub(super) fn one_more(before: Option<Self>, now: Timestamp) -> Self {
        let before = before.filter(|failures| !failures.is_forgotten(now));
        Self { count: before.map_or(1, |failures| failures.count.saturating_add(1)), last: now }
    }

    /// Whether there may be another attempt now.
    pub(super) fn allow(self, patience: Patience, now: Timestamp) -> Result<(), Wait> {
        if self.count < patience.free || self.is_forgotten(now) {
            return Ok(());
        }
        let doubled = (self.count - patience.free).min(32);
        let wait_s = (1_u64 << doubled).min(patience.wait_s_max);
        let passed_s = now.duration_since(self.last).as_secs();
        // A clock that was set back makes nobody wait for longer.
        let passed_s = u64::try_from(passed_s).unwrap_or(wait_s);
        match wait_s.saturating_sub(passed_s) {
            0 => Ok(()),
            seconds => Err(Wait { seconds }),
        }
    }

    fn is_forgotten(self, now: Timestamp) -> bool {
        now.duration_since(self.last) >= limits::FAILURES_REMEMBERED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_most_and_is_forgotten() {
        const PATIENCE: Patience = Patience { free: 3, wait_s_max: 60 };
        let at = |s: i64| Timestamp::from_second(1_000_000 + s).unwrap();
        let mut failures = None;
        let mut waits = Vec::new();
        for _ in 0..40 {
            let now = Failures::one_more(failures, at(0));
            failures = Some(now);
            waits.push(now.allow(PATIENCE, at(0)).err().map_or(0, |wait| wait.seconds));
        }
        assert_eq!(waits[..10], [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(waits[39], 60);
        let failures = failures.unwrap();
        assert_eq!(failures.allow(PATIENCE, at(59)), Err(Wait { seconds: 1 }));
        assert_eq!(failures.allow(PATIENCE, at(60)), Ok(()));
        assert_eq!(failures.allow(PATIENCE, at(-100)), Ok(()));
        let later = Failures::one_more(Some(failures), at(24 * 60 * 60));
        assert_eq!(later.count, 1);
    }
}
