//! Against a PostgreSQL, and against servers that are none.

mod connections;
mod stand_in;

/// The URL of a database for tests, whose user is an administrator.
#[expect(clippy::disallowed_methods, reason = "where the database for tests is")]
fn url() -> Option<String> {
    std::env::var("FIREWARDEN_TEST_POSTGRES_URL").ok()
}
