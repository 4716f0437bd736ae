//! A fake identity provider for tests: it signs whatever it is told, and its key set can fail in
//! every way a real one does.

mod provider;
mod signing;

pub use provider::{Answer, FakeProvider};
pub use signing::{SigningKey, compact, hmac_token, key};
