//! Which rows of a type a reader may see.

/// The rows of one type that somebody may see. Only [`Permitted`](crate::Permitted) and
/// [`SystemTask`](crate::SystemTask) make one; every read of the store takes one.
///
/// ```compile_fail
/// let everything = firewarden_access::RowFilter { reach: firewarden_access::Reach::Everything };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFilter {
    // INVARIANT: an error, a missing answer or a time-out is `Nothing`, never `Everything`.
    reach: Reach,
}

/// How far a row filter reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// No row: the type reads as if it were empty.
    Nothing,
    /// Every row of the type.
    Everything,
}

impl RowFilter {
    pub(crate) fn nothing() -> Self {
        Self { reach: Reach::Nothing }
    }

    pub(crate) fn everything() -> Self {
        Self { reach: Reach::Everything }
    }

    /// How far it reaches.
    pub fn reach(&self) -> Reach {
        self.reach
    }
}
