//! When an endpoint that fails is left alone.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits;

/// Counts failures one after the other. After some the endpoint is left alone for a while, then
/// asked once, and its answer tells whether it is back.
#[derive(Default)]
pub(super) struct Circuit {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    /// When it may be asked again.
    resumes: Option<Instant>,
    probing: bool,
}

impl Circuit {
    /// Leave to ask now; otherwise after how long it makes sense to try again.
    pub(super) fn admit(&self, now: Instant) -> Result<Attempt<'_>, Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(resumes) = state.resumes {
            if now < resumes {
                return Err(resumes - now);
            }
            if state.probing {
                return Err(limits::FETCH_TIME_MAX);
            }
            state.probing = true;
        }
        drop(state);
        Ok(Attempt { circuit: self, succeeded: false })
    }

    fn ended(&self, succeeded: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.probing = false;
        if succeeded {
            state.failures = 0;
            state.resumes = None;
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= limits::ENDPOINT_FAILURES_MAX {
            state.resumes = Some(Instant::now() + limits::ENDPOINT_PAUSE);
        }
    }
}

/// One request to the endpoint. It failed unless it is said to have succeeded.
pub(super) struct Attempt<'c> {
    circuit: &'c Circuit,
    succeeded: bool,
}

impl Attempt<'_> {
    pub(super) fn succeeded(mut self) {
        self.succeeded = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.circuit.ended(self.succeeded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(circuit: &Circuit) -> bool {
        circuit.admit(Instant::now()).map(drop).is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn after_five_failures_it_is_left_alone_for_ten_seconds() {
        let circuit = Circuit::default();
        for _ in 0..limits::ENDPOINT_FAILURES_MAX {
            assert!(fail(&circuit));
        }
        assert_eq!(circuit.admit(Instant::now()).err(), Some(limits::ENDPOINT_PAUSE));
        tokio::time::advance(limits::ENDPOINT_PAUSE).await;
        let probe = circuit.admit(Instant::now()).ok().unwrap();
        assert!(circuit.admit(Instant::now()).is_err(), "one asks whether it is back");
        drop(probe);
        assert!(circuit.admit(Instant::now()).is_err(), "it is not");
        tokio::time::advance(limits::ENDPOINT_PAUSE).await;
        circuit.admit(Instant::now()).ok().unwrap().succeeded();
        for _ in 0..limits::ENDPOINT_FAILURES_MAX {
            assert!(fail(&circuit), "it is asked as if nothing had been");
        }
        assert!(!fail(&circuit));
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_between_failures_starts_the_count_anew() {
        let circuit = Circuit::default();
        for _ in 0..10 {
            for _ in 1..limits::ENDPOINT_FAILURES_MAX {
                assert!(fail(&circuit));
            }
            circuit.admit(Instant::now()).ok().unwrap().succeeded();
        }
    }
}
