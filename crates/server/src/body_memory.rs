//! Memory for the bodies of requests in flight: bounded in all, and apart for callers without a
//! credential, who can so hold up each other and nobody else.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::limits;

/// Bytes of one place.
const PLACE_BYTES: usize = 1024;

/// The memory that bodies may take, in places.
pub(crate) struct BodyMemory {
    of_callers: Pool,
    of_anonymous: Pool,
}

struct Pool {
    places: Semaphore,
    all: usize,
}

impl Pool {
    fn new(bytes: usize) -> Self {
        let all = bytes.div_ceil(PLACE_BYTES);
        Self { places: Semaphore::new(all), all }
    }

    async fn room(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        // A body over the whole is served alone.
        let places = bytes.div_ceil(PLACE_BYTES).min(self.all);
        self.places.acquire_many(u32::try_from(places).ok()?).await.ok()
    }
}

impl BodyMemory {
    pub(crate) fn new() -> Self {
        Self {
            of_callers: Pool::new(limits::BODIES_BYTES_MAX),
            of_anonymous: Pool::new(limits::ANONYMOUS_BODIES_BYTES_MAX),
        }
    }

    /// Waits for room for a body of so many bytes; it is given back when this is dropped.
    pub(crate) async fn room(&self, anonymous: bool, bytes: usize) -> Option<SemaphorePermit<'_>> {
        let pool = if anonymous { &self.of_anonymous } else { &self.of_callers };
        pool.room(bytes).await
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// Whether there is room now.
    fn has_room(memory: &BodyMemory, anonymous: bool, bytes: usize) -> bool {
        let room = pin!(memory.room(anonymous, bytes));
        matches!(room.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Some(_)))
    }

    #[tokio::test]
    async fn bodies_wait_for_room_and_anonymous_ones_for_their_own() {
        let memory = BodyMemory::new();
        let all = memory.room(true, limits::ANONYMOUS_BODIES_BYTES_MAX).await;
        assert!(!has_room(&memory, true, 1));
        assert!(has_room(&memory, false, limits::BODIES_BYTES_MAX));
        drop(all);
        assert!(has_room(&memory, true, 1));
        // More than there is: alone.
        let alone = memory.room(false, usize::MAX).await;
        assert!(!has_room(&memory, false, 1));
        drop(alone);
        assert!(has_room(&memory, false, 1));
    }
}
