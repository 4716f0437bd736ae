//! Which rows of a type a reader may see.

mod text;
mod union;

use std::sync::Arc;

use firewarden_fhir::search::Criterion;

pub(crate) use union::{RowUnion, TooManyRows};

/// The rows of one type that somebody may see. Only [`Permitted`](crate::Permitted) and
/// [`SystemTask`](crate::SystemTask) make one; every read of the store takes one. It is shown as
/// the search that would find them.
///
/// ```compile_fail
/// let everything = firewarden_access::RowFilter { rows: firewarden_access::Reach::Everything };
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RowFilter {
    // INVARIANT: an error, a missing answer or a time-out is `Nothing`, never `Everything`.
    rows: Rows,
}

#[derive(Clone, Debug, PartialEq)]
enum Rows {
    Nothing,
    // INVARIANT: not empty.
    Some(Arc<[Criterion]>),
    Everything,
}

/// How far a row filter reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reach<'a> {
    /// No row: the type reads as if it were empty.
    Nothing,
    /// The rows that meet all of these criteria; there is at least one. They are complete as they
    /// stand: a chain in them is followed to every row of its target.
    Some(&'a [Criterion]),
    /// Every row of the type.
    Everything,
}

impl RowFilter {
    pub(crate) fn nothing() -> Self {
        Self { rows: Rows::Nothing }
    }

    pub(crate) fn everything() -> Self {
        Self { rows: Rows::Everything }
    }

    /// The rows that meet all of the criteria. Without any it is no row: an empty list is never
    /// taken for no restriction.
    pub(crate) fn some(criteria: Vec<Criterion>) -> Self {
        if criteria.is_empty() {
            return Self::nothing();
        }
        Self { rows: Rows::Some(criteria.into()) }
    }

    /// The rows that are in both.
    #[must_use]
    pub(crate) fn narrowed_by(self, other: &Self) -> Self {
        match (&self.rows, &other.rows) {
            (Rows::Nothing, _) | (_, Rows::Nothing) => Self::nothing(),
            (_, Rows::Everything) => self,
            (Rows::Everything, Rows::Some(_)) => other.clone(),
            (Rows::Some(ours), Rows::Some(theirs)) => {
                Self::some(ours.iter().chain(theirs.iter()).cloned().collect())
            }
        }
    }

    /// How far it reaches.
    pub fn reach(&self) -> Reach<'_> {
        match &self.rows {
            Rows::Nothing => Reach::Nothing,
            Rows::Some(criteria) => Reach::Some(criteria),
            Rows::Everything => Reach::Everything,
        }
    }
}
