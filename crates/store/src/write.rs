//! What a write asks for, and what came of it.

use firewarden_access::{PermittedSearch, RowFilter};
use firewarden_fhir::{IfMatch, Resource, Target, Timestamp, Version};

use crate::Stored;

/// Writes that are done together or not at all.
pub struct WriteRequest {
    /// The version of the policies that allowed it; compared when it is applied. `None` for a
    /// system task.
    pub policy_version: Option<u64>,
    /// The time of the request, for `meta.lastUpdated`.
    pub now: Timestamp,
    /// In the order they are applied.
    pub writes: Vec<Write>,
}

/// One write.
pub struct Write {
    /// The resource. With a condition, the one that is created where nothing matches.
    pub target: Target,
    /// The condition of a conditional write.
    pub matching: Option<Matching>,
    /// The rows of its type that the permit allows to touch, before and after.
    pub rows: RowFilter,
    /// What happens to it.
    pub change: Change,
}

/// What a conditional write depends on: the search is made in the transaction of the write, and
/// sees the writes before it.
///
/// Where nothing matches, the target is created, and a deletion has nothing to do. Where one
/// resource matches, [`Change::Create`] writes nothing, [`Change::Put`] replaces that resource, and
/// [`Change::Delete`] deletes it. What is replaced or deleted must lie inside the rows of the
/// write, or the write is refused with [`WriteError::OutsideRows`](crate::WriteError).
#[derive(Clone)]
pub struct Matching {
    /// What is looked for, in the rows that the caller may search.
    pub search: PermittedSearch,
    /// More matches are refused. Only a deletion may have more than one.
    pub matches_max: usize,
    /// The resource that the writes around it take this one for: when the search leads to another,
    /// the write is refused, for what depends on it to be made anew. `None` where nothing does.
    pub expected: Option<Target>,
    /// Whether the client chose the id of what is created: then it needs every row of the type, as
    /// a [`Change::Put`] without a condition does, or it is refused as not being there.
    pub id_sent: bool,
}

/// What happens to a resource.
pub enum Change {
    /// A new resource; its id must be free (a deleted one's is not).
    Create {
        /// Its content; `id` and the versioning part of `meta` are set by the store.
        resource: Resource,
        /// Its secrets, by JSON Pointer; the content carries a mask in their place.
        secrets: Vec<(String, SecretChange)>,
    },
    /// Replaces a resource, or creates it if it is not there.
    Put {
        /// Its content, as for `Create`.
        resource: Resource,
        /// The condition on the replaced version.
        if_match: IfMatch,
        /// Its secrets, as for `Create`; those of the replaced version that are not listed go.
        secrets: Vec<(String, SecretChange)>,
    },
    /// Deletes a resource; one that is not there stays so.
    Delete {
        /// The condition on the deleted version.
        if_match: IfMatch,
    },
}

/// What happens to one secret of a resource.
pub enum SecretChange {
    /// The stored one stays.
    Keep,
    /// A new one. It is sealed before it reaches the disk.
    Set(zeroize::Zeroizing<Vec<u8>>),
}

/// What came of one write.
#[derive(Debug)]
pub enum Written {
    /// There was none, or it had been deleted.
    Created(Stored),
    /// It was replaced.
    Updated(Stored),
    /// It was deleted; the version that says so.
    Deleted(Version),
    /// What a conditional creation would have made is there already; nothing was written.
    Found(Stored),
    /// What a conditional deletion found was deleted, each with the version that says so.
    DeletedMatches(Vec<(Target, Version)>),
    /// There was nothing to delete.
    NotThere,
}
