//! One database of a cluster.

use std::net::SocketAddr;

use super::connection::ask;
use super::must;

/// A database. It stays until its cluster is thrown away.
#[derive(Clone, Debug)]
pub struct Database {
    name: String,
    address: SocketAddr,
}

impl Database {
    pub(super) fn new(name: &str, address: SocketAddr) -> Self {
        Self { name: name.to_owned(), address }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL on the server that it was made on.
    pub fn url(&self) -> String {
        self.url_at(self.address)
    }

    /// Its URL elsewhere: through a proxy, or on a standby.
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("postgres://postgres@{address}/{}", self.name)
    }

    /// Runs statements, and gives the rows that they answer as text.
    ///
    /// # Panics
    /// When one of them fails.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        must(self.try_rows(sql))
    }

    /// As [`Self::rows`]; the error has the SQLSTATE and the message.
    pub fn try_rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        ask(&self.url(), &[sql])
    }
}
