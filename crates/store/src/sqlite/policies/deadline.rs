//! Whether what a connection runs shall end.

use std::sync::atomic::{AtomicU64, Ordering};

/// Tells the runs of one connection apart: the end of an earlier one ends no later one.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    running: AtomicU64,
    over: AtomicU64,
}

impl Deadline {
    /// Begins a run, and returns its number.
    pub(super) fn begin(&self) -> u64 {
        self.running.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Ends that run.
    pub(super) fn end(&self, run: u64) {
        self.over.fetch_max(run, Ordering::Relaxed);
    }

    /// Whether the run shall end.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) >= self.running.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_run_ends_no_later_one() {
        let deadline = Deadline::default();
        let first = deadline.begin();
        assert!(!deadline.is_over());
        let second = deadline.begin();
        deadline.end(first);
        assert!(!deadline.is_over());
        deadline.end(second);
        assert!(deadline.is_over());
        deadline.begin();
        assert!(!deadline.is_over());
    }
}
