//! What is PostgreSQL's own: its URL and connections, its session, its schema, the rules of `sql`
//! policies.

pub(crate) mod connect;
pub(crate) mod connection;
pub(crate) mod lease;
pub(crate) mod policies;
pub(crate) mod schema;
pub(crate) mod session;
#[cfg(test)]
mod tests;
mod tls;
pub(crate) mod url;
mod values;
