//! Key sets of issuers: fetched in the background, kept while their provider is down.

mod discovery;
mod key_set;
mod source;

pub use source::KeySetState;
pub(crate) use source::{KeySource, Origin};
