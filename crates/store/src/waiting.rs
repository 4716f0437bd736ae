//! Those who wait for a connection, counted so that they are not too many.

use std::sync::atomic::{AtomicUsize, Ordering};

/// One that waits, counted while it does.
pub(crate) struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    /// Begins to wait, unless so many do already.
    pub(crate) fn enter(count: &'a AtomicUsize, max: usize) -> Option<Self> {
        let before = count.fetch_add(1, Ordering::Relaxed);
        let waiting = Self(count);
        (before < max).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_wait() {
        let count = AtomicUsize::new(0);
        let waiting: Vec<_> = (0..3).filter_map(|_| Waiting::enter(&count, 3)).collect();
        assert_eq!(waiting.len(), 3);
        assert!(Waiting::enter(&count, 3).is_none());
        drop(waiting);
        assert!(Waiting::enter(&count, 3).is_some());
    }
}
