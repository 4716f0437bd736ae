//! Resources at rest: every read takes a row filter, every write is acknowledged after its commit.

mod error;
mod store;
mod write;

pub use error::{StoreError, WriteError};
pub use store::{
    HistoryEntry, HistoryMethod, HistoryPageRead, HistoryRead, Read, SearchPage, Store,
    StoreSettings, Stored,
};
pub use write::{Change, SecretChange, Write, WriteRequest, Written};
