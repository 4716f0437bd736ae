//! Key sets of issuers: fetched in the background, kept while their provider is down.

mod key_set;
mod source;

pub(crate) use source::{KeySource, Origin};
