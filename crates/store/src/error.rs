//! What can go wrong, by what the caller can do about it.

/// Why a read was not answered.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The cursor was not made by this store for this query: the client starts again.
    #[error("not a cursor of this search")]
    BadCursor,
    /// It took longer than a query may: the client narrows it.
    #[error("the query took too long")]
    TooExpensive,
    /// It is searched by what not all resources have been indexed by yet: the client tries again
    /// later.
    #[error("the index is not complete yet")]
    NotIndexed,
    /// The database cannot be read now: the client tries again later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
}

/// Why a write was not done. Nothing of the request was written, except where it says so.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The `index`th write creates a resource whose id is taken.
    #[error("write {index}: the id is taken")]
    IdTaken {
        /// Which of the request's writes.
        index: usize,
    },
    /// The `index`th write's `If-Match` does not name the current version.
    #[error("write {index}: not the current version")]
    VersionConflict {
        /// Which of the request's writes.
        index: usize,
    },
    /// The `index`th write's resource is not there, or is outside the rows of the write.
    #[error("write {index}: not there")]
    NotThere {
        /// Which of the request's writes.
        index: usize,
    },
    /// The `index`th write's new content is outside the rows of the write.
    #[error("write {index}: outside the rows of the permit")]
    OutsideRows {
        /// Which of the request's writes.
        index: usize,
    },
    /// More resources meet the `index`th write's condition than it may touch.
    #[error("write {index}: several resources match")]
    SeveralMatches {
        /// Which of the request's writes.
        index: usize,
    },
    /// The `index`th write's condition leads to another resource than was expected: what depends
    /// on it is made anew.
    #[error("write {index}: the condition leads to another resource")]
    UnexpectedMatch {
        /// Which of the request's writes.
        index: usize,
    },
    /// To evaluate the `index`th write's condition, or its rows, takes too long.
    #[error("write {index}: the condition takes too long")]
    TooExpensive {
        /// Which of the request's writes.
        index: usize,
    },
    /// The `index`th write's condition, or its rows, ask for what not all resources have been indexed
    /// by yet.
    #[error("write {index}: the index is not complete yet")]
    NotIndexed {
        /// Which of the request's writes.
        index: usize,
    },
    /// The `index`th write keeps a secret that is not there.
    #[error("write {index}: there is no secret to keep at `{pointer}`")]
    NoSuchSecret {
        /// Which of the request's writes.
        index: usize,
        /// The JSON Pointer of the secret.
        pointer: String,
    },
    /// The policies have changed since the decision: it is made again.
    #[error("decided on policies that have changed")]
    StaleDecision,
    /// The queue of writes is full: the client tries again later.
    #[error("too many writes are waiting")]
    Busy,
    /// The database cannot be written now: the client tries again later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Whether it was written is unknown.
    #[error("the fate of the write is unknown: {0}")]
    Unknown(String),
}
