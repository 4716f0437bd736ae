//! Key sets of issuers: fetched in the background, kept while their provider is down.

mod discovery;
mod key_set;
mod source;

pub(crate) use key_set::KeySet;
pub use source::KeySetState;
pub(crate) use source::{KeySource, Origin};
