//! The caller that a remembered token was found to speak for, as long as nothing changes.

use std::io::{self, Write};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use firewarden_access::Caller;

use crate::limits;

/// Remembers the caller of one verified token. It goes with the token: when that expires, or an
/// introspector or its keys change.
#[derive(Default)]
pub(crate) struct KnownCaller(ArcSwapOption<Known>);

struct Known {
    // INVARIANT: the version that the directory had before it was asked: the caller is at least as
    // new as that.
    version: u64,
    caller: Caller,
}

impl KnownCaller {
    /// The caller, if the directory still has the version in which it was found.
    pub(crate) fn of(&self, version: u64) -> Option<Caller> {
        let known = self.0.load();
        known.as_ref().filter(|known| known.version == version).map(|known| known.caller.clone())
    }

    /// Remembers who was found when the directory had that version; one of a great size is not.
    pub(crate) fn keep(&self, version: u64, caller: &Caller) {
        if is_small(caller) {
            self.0.store(Some(Arc::new(Known { version, caller: caller.clone() })));
        }
    }
}

/// Whether what was looked up for a caller fits in what may be remembered of it. Its claims are the
/// token's own.
fn is_small(caller: &Caller) -> bool {
    let mut room = Room(limits::CALLER_BYTES_REMEMBERED_MAX);
    let mut found = caller.user.iter().chain(&caller.client).chain(&caller.roles);
    found.all(|content| serde_json::to_writer(&mut room, content.as_ref()).is_ok())
}

/// Takes as many bytes as are left, and keeps none.
struct Room(usize);

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.0.checked_sub(bytes.len());
        self.0 = left.ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn caller(text_bytes: usize) -> Caller {
        let content = |text: usize| {
            let content = json!({"a": "x".repeat(text)});
            Arc::new(content.as_object().unwrap().clone())
        };
        let user = Some(content(text_bytes));
        Caller { user, roles: vec![content(100); 2], ..Caller::default() }
    }

    #[test]
    fn a_caller_is_known_in_its_version_alone() {
        let known = KnownCaller::default();
        assert!(known.of(0).is_none());
        known.keep(1, &caller(1));
        assert_eq!([0, 1, 2].map(|version| known.of(version).is_some()), [false, true, false]);
        known.keep(2, &caller(1));
        assert_eq!([1, 2].map(|version| known.of(version).is_some()), [false, true]);
    }

    #[test]
    fn a_caller_of_a_great_size_is_not_remembered() {
        const OTHERS: usize = 2 * 108 + 8;
        const MAX: usize = limits::CALLER_BYTES_REMEMBERED_MAX - OTHERS;
        for (bytes, is_remembered) in [(1, true), (MAX, true), (MAX + 1, false)] {
            let known = KnownCaller::default();
            known.keep(1, &caller(bytes));
            assert_eq!(known.of(1).is_some(), is_remembered, "{bytes}");
        }
    }
}
