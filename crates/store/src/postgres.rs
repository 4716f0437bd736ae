//! The store on PostgreSQL: how it is reached.

pub(crate) mod connect;
pub(crate) mod lease;
#[cfg(test)]
mod tests;
mod tls;
pub(crate) mod url;
