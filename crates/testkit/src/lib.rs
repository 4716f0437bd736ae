//! What tests stand on: a fake identity provider that signs whatever it is told and whose key set
//! can fail in every way a real one does, real ones, and PostgreSQL with all that befalls it.

mod database_settings;
mod endpoint;
pub mod postgres;
mod provider;
mod real_provider;
mod signing;

pub use database_settings::{database_settings, is_postgres};
pub use endpoint::{Asked, FakeEndpoint, Reply};
pub use provider::{Answer, FakeProvider};
pub use real_provider::RealProvider;
pub use signing::{SigningKey, compact, hmac_token, key};
