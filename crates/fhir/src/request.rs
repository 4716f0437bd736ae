//! One parser from a request's words to an [`Interaction`]: for HTTP, and for the entries of
//! Bundles. Nothing behind it looks at a path.

mod body;
mod condition;
mod parse;
mod query;

pub use parse::{Body, NotServed, RestRequest, Routed};
pub use query::parse_query;
