//! Credential to caller: who a token or a client's secret speaks for.
//!
//! The one crate that reads tokens and the only one that connects to other servers. It knows
//! nothing of interactions, SQL or status codes.

mod identity;

mod credentials;
mod unauthenticated;

mod identity_provider;
mod introspector;
mod outbound;
mod secrets;

mod algorithm;
mod claims;
mod headers;
mod keys;
mod public_key;
mod unverified;
mod verified;

mod bucket;
mod introspection;
mod jwks;
mod remote;

mod binding;
mod creation;
mod directory;
mod known_caller;
mod resolve;

mod basic;
mod password;
mod session;

mod explain;

pub mod ask;
pub mod inspect;
pub mod jws;
pub mod limits;
pub mod mint;

pub use algorithm::Algorithm;
pub use credentials::Credentials;
pub use directory::{Content, Directory, DirectoryUnavailable, StoredClient, StoredSession};
pub use explain::{CheckResult, TokenTrace};
pub use identity::Identity;
pub use identity_provider::{IdentityProvider, give_systems, system_conflicts};
pub use introspection::{IntrospectionAnswer, NotAnAnswer, read_answer};
pub use introspector::{
    Introspector, check_introspector, conflicts, moved_credential, needs_binding,
};
pub use jwks::KeySetState;
pub use outbound::{NotAnAllowance, OutboundAllow};
pub use password::{NotHashable, SALT_BYTES, hash_secret};
pub use resolve::{NoCaller, caller_of};
pub use secrets::{MASK, SECRET_POINTERS};
pub use session::{SESSION_TOKEN_BYTES, session_token, session_token_hash};
pub use unauthenticated::{Check, Unauthenticated};
