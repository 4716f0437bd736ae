//! The FHIR vocabulary: what a resource, a reference, an interaction and a search are.
//!
//! Nothing here does I/O, speaks HTTP or SQL, or knows of policies.

pub mod definitions;
pub mod extract;
mod id;
mod instant;
mod interaction;
pub mod json;
pub mod limits;
mod outcome;
mod path;
mod reference;
pub mod request;
mod resource;
mod resource_type;
pub mod search;
mod validate;
pub mod yaml;

pub use definitions::Definitions;
pub use id::{Id, Target, Version};
pub use instant::{TimeRange, instant_text};
pub use interaction::{
    AskedOfJobs, Explain, HistoryPage, IfMatch, Interaction, SearchForm, SentToken, WriteCondition,
};
pub use jiff::Timestamp;
pub use outcome::{Issue, Severity, operation_outcome};
pub use reference::Reference;
pub use resource::Resource;
pub use resource_type::ResourceType;
pub use validate::validate;
