//! Credentials in, callers out: the whole crate through its face, against a fake provider.

mod clients;
mod key_sets;
mod minting;
mod saving;
mod tokens;
mod users;
mod world;
