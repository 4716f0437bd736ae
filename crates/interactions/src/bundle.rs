//! Batches and transactions (<https://hl7.org/fhir/R4/http.html#transaction>).
//!
//! The envelope has no rights of its own: each entry is an interaction, decided as if it came
//! alone.

mod read;
pub(crate) mod references;
mod response;
mod sought;
mod transaction;

pub use read::{BundleEntry, BundleKind, BundleRequest, EntryDefect, ReadBundle, bundle_of_array};
pub use response::{EntryResponse, bundle_response};
pub use sought::{Sought, first_matches};
pub use transaction::perform_transaction;
