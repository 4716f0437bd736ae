//! What FHIR's interactions do with resources, one file for each.
//!
//! Everything is done within a permit: [`perform`] takes nothing else. Nothing here speaks HTTP or
//! SQL, or knows of policies.

pub mod bundle;
mod bundle_text;
mod capabilities;
mod conditional;
mod create;
mod delete;
mod failure;
mod history;
pub mod import;
pub mod limits;
mod link;
mod outcome;
mod own_type;
mod perform;
mod ports;
mod read;
mod search;
mod server_key;
mod update;
mod write;

pub use capabilities::{Installation, capability_statement};
pub use failure::Failure;
pub use outcome::{Outcome, Saved};
pub use own_type::{MASK, root_form};
pub use perform::perform;
pub use ports::{OwnTypes, Ports};
pub use server_key::ServerKey;
