//! A number of things at once, and then so many a second.

use firewarden_fhir::Timestamp;

use super::Wait;

/// How many there may be.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// More, each second.
    pub per_s: u32,
}

/// What is left of a rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    left: f64,
    at: Timestamp,
}

impl Bucket {
    pub(super) fn full(rate: Rate, now: Timestamp) -> Self {
        Self { left: f64::from(rate.burst), at: now }
    }

    /// Whether there is one left.
    pub(super) fn has(self, rate: Rate, now: Timestamp) -> Result<(), Wait> {
        let missing = 1.0 - self.filled(rate, now).left;
        if missing <= 0.0 {
            return Ok(());
        }
        let wait_s = (missing / f64::from(rate.per_s)).ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1")]
        Err(Wait { seconds: (wait_s as u64).max(1) })
    }

    /// The bucket with one less.
    pub(super) fn taken(self, rate: Rate, now: Timestamp) -> Self {
        let filled = self.filled(rate, now);
        Self { left: (filled.left - 1.0).max(0.0), ..filled }
    }

    /// The bucket with what was added since. A clock that was set back adds nothing.
    fn filled(self, rate: Rate, now: Timestamp) -> Self {
        let passed_s = now.duration_since(self.at).as_secs_f64().max(0.0);
        let left = self.left + passed_s * f64::from(rate.per_s);
        Self { left: left.min(f64::from(rate.burst)), at: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills() {
        const RATE: Rate = Rate { burst: 2, per_s: 1 };
        let at = |s| Timestamp::from_second(s).unwrap();
        let mut bucket = Bucket::full(RATE, at(100));
        for (second, has) in
            [(100, true), (100, true), (100, false), (101, true), (101, false), (90, false)]
        {
            assert_eq!(bucket.has(RATE, at(second)).is_ok(), has, "{second}");
            if has {
                bucket = bucket.taken(RATE, at(second));
            }
        }
        assert!(bucket.has(RATE, at(1_000)).is_ok());
    }
}
