//! Opaque tokens: another server is asked whether they are active (RFC 7662).

mod answer;
mod circuit;
mod endpoint;
mod routing;

pub use self::answer::{IntrospectionAnswer, NotAnAnswer, read_answer};
pub(crate) use self::endpoint::{Endpoint, Verdict};
pub(crate) use self::routing::{Destination, destination};
