//! The HTTP server: from bytes to an interaction, and from an outcome to bytes.
//!
//! Nothing here knows FHIR's rules or SQL.

mod pipeline;

mod arrival;
mod body;
mod body_memory;
mod handle;
mod media;
mod route;

mod failure;
mod first_bytes;
mod respond;

mod attempts;
mod audit;
mod dev_mode;
mod endpoints;
mod explanation;
mod meters;
mod sessions;
mod shadow;
mod traces;

mod app;
mod configuration;
mod directory;
mod own_types;
mod policy_tests;

mod bootstrap;
mod listen;
mod log_writer;
mod logging;
mod run;
mod secrets_key;
mod tls;
mod transfer;

mod jobs;
pub mod limits;
pub mod settings;
pub mod upkeep;

pub use bootstrap::BootstrapError;
pub use policy_tests::test_policies;
pub use run::{ServeError, Started, serve};
pub use secrets_key::SecretsKeyError;
pub use tls::TlsError;
pub use transfer::{
    ExportRequest, Exported, HowFar, ImportRequest, Imported, TransferError, TransferProgress,
    export, import,
};
