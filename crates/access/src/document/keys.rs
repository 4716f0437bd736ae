//! Which parts of a request document a rule can look at, so that only these are built.

use super::KEYS;

/// A set of keys of the request document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keys(u32);

impl Keys {
    /// No key.
    pub(crate) const NONE: Self = Self(0);
    /// Every key.
    pub(crate) const ALL: Self = Self(u32::MAX);

    /// That key. One that no document has is none.
    pub(crate) fn of(name: &str) -> Self {
        KEYS.binary_search(&name).map_or(Self::NONE, |index| Self(1 << index))
    }

    /// The keys of both sets.
    #[must_use]
    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether that key is in the set.
    pub(crate) fn has(self, name: &str) -> bool {
        self.0 & Self::of(name).0 != 0
    }
}
