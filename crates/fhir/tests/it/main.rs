//! The vocabulary as the other crates use it.

#![cfg(test)]

mod request;
mod search;
