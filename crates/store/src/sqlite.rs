//! What is SQLite's own: the file and its lock, its connections, the dialect of policies.

pub(crate) mod backup;
pub(crate) mod connection;
mod files;
pub(crate) mod lock;
pub(crate) mod policies;
pub(crate) mod restore;
mod rights;
pub(crate) mod schema;
pub(crate) mod snapshot;
