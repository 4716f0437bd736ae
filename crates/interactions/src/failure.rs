//! Why an interaction was not performed, by what the client can do about it.

use firewarden_access::NotGranted;
use firewarden_fhir::Issue;
use firewarden_store::{StoreError, WriteError};

/// Why an interaction was not performed. Only the server knows the status of each.
#[derive(Debug)]
pub enum Failure {
    /// There is no such resource, or none that the caller may see.
    Absent,
    /// It was there and is deleted.
    Gone,
    /// The request cannot be understood.
    BadRequest(Issue),
    /// The content breaks the rules of its type.
    Invalid(Vec<Issue>),
    /// It contradicts what is stored.
    Conflict(Vec<Issue>),
    /// `If-Match` does not name the current version.
    VersionConflict,
    /// The criteria of a conditional write find more resources than it may touch.
    SeveralMatches,
    /// The criteria of a conditional write find another resource than the one that is named.
    OtherMatch,
    /// The new content is outside the rows of the permit.
    OutsideRows,
    /// It uses a type as a predicate that the caller may not search.
    Forbidden,
    /// The policies have changed since the decision: it is made again.
    StaleDecision,
    /// The query takes too long: the client narrows it.
    TooExpensive,
    /// It asks for what not all resources have been indexed by yet: the client tries again later.
    NotIndexed,
    /// The answer to the Bundle is large enough: the client asks for less at a time.
    AnswerTooLarge,
    /// Too much is going on, or the database is not there: the client tries again later. The text
    /// is for the log.
    Unavailable(String),
    /// Whether it was written is unknown. The text is for the log.
    Unknown(String),
}

impl From<NotGranted> for Failure {
    fn from(_: NotGranted) -> Self {
        Self::Forbidden
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::BadCursor => Self::BadRequest(bad_cursor()),
            StoreError::TooExpensive => Self::TooExpensive,
            StoreError::NotIndexed => Self::NotIndexed,
            StoreError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::IdTaken { .. } => {
                let told = "the `id` is taken: update it by PUT";
                Self::Conflict(vec![Issue::error("duplicate", told)])
            }
            WriteError::VersionConflict { .. } => Self::VersionConflict,
            WriteError::SeveralMatches { .. } => Self::SeveralMatches,
            WriteError::UnexpectedMatch { .. } => Self::OtherMatch,
            WriteError::TooExpensive { .. } => Self::TooExpensive,
            WriteError::NotIndexed { .. } => Self::NotIndexed,
            WriteError::NotThere { .. } => Self::Absent,
            WriteError::OutsideRows { .. } => Self::OutsideRows,
            WriteError::NoSuchSecret { pointer, .. } => Self::Invalid(vec![Issue::error(
                "value",
                format!("`***` keeps a stored secret, and there is none at `{pointer}`: send it"),
            )]),
            WriteError::StaleDecision => Self::StaleDecision,
            WriteError::Busy => Self::Unavailable("too many writes are waiting".to_owned()),
            WriteError::Unavailable(why) => Self::Unavailable(why),
            WriteError::Unknown(why) => Self::Unknown(why),
        }
    }
}

/// The same answer for a forged cursor, one of another caller and one of another search.
pub(crate) fn bad_cursor() -> Issue {
    Issue::error("value", "`_cursor` is not of this search: start again without it")
}
