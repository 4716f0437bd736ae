//! PostgreSQL for tests: private clusters that end with the test, and a proxy that makes the faults
//! of a network.
//!
//! Everything here blocks, and works inside an async runtime as outside of one. Whatever fails that
//! a test could not go on without panics, with what the server said.

mod binaries;
mod cluster;
mod connection;
mod database;
mod port;
mod proxy;
mod supervisor;

pub use cluster::{Cluster, Options};
pub use database::Database;
pub use proxy::{CommitFault, Proxy};

/// What was to be had, or the end of the test.
#[track_caller]
#[expect(clippy::panic, reason = "a test without its database is no test")]
fn must<T>(had: Result<T, String>) -> T {
    had.unwrap_or_else(|reason| panic!("{reason}"))
}
