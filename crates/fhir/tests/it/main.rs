//! The vocabulary as the other crates use it.

mod request;
mod search;
