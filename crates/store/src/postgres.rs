//! The store on PostgreSQL: how it is reached.

pub(crate) mod connect;
#[cfg(test)]
mod tests;
mod tls;
pub(crate) mod url;
