//! What every request is served with.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use firewarden_fhir::{Id, Timestamp};
use firewarden_identity::{Identity, OutboundAllow};
use firewarden_interactions::{Ports, ServerKey};
use firewarden_store::Store;

use crate::attempts::Attempts;
use crate::body_memory::BodyMemory;
use crate::configuration::{Configuration, Snapshot};
use crate::directory::StoredDirectory;
use crate::meters::Meters;
use crate::own_types::{Force, OwnRules, SecretHasher};
use crate::settings::Settings;
use crate::shadow::ShadowWatch;
use crate::traces::Traces;

/// What every request is served with.
pub(crate) struct App {
    pub(crate) settings: Settings,
    /// This server's public URL without a trailing slash.
    pub(crate) public_url: String,
    /// The FHIR base below it.
    pub(crate) base_url: String,
    pub(crate) store: Store,
    pub(crate) identity: Arc<Identity>,
    pub(crate) directory: StoredDirectory,
    pub(crate) configuration: Configuration,
    pub(crate) outbound: OutboundAllow,
    pub(crate) hasher: SecretHasher,
    pub(crate) body_memory: BodyMemory,
    pub(crate) server_key: ServerKey,
    pub(crate) attempts: Attempts,
    pub(crate) meters: Meters,
    pub(crate) traces: Traces,
    pub(crate) shadow: Arc<ShadowWatch>,
    /// Set when the server is to stop: it is no longer ready.
    pub(crate) stopping: AtomicBool,
}

impl App {
    /// The rules of our own types, as of a snapshot. `Force::Yes` saves what makes tests fail.
    pub(crate) fn own_rules<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        now: Timestamp,
        force: Force,
    ) -> OwnRules<'a> {
        OwnRules { app: self, snapshot, now, force }
    }

    /// What an interaction is performed with.
    pub(crate) fn ports<'a>(
        &'a self,
        own_types: &'a OwnRules<'a>,
        caller: &'a str,
        now: Timestamp,
    ) -> Ports<'a> {
        Ports {
            store: &self.store,
            own_types,
            server_key: &self.server_key,
            caller,
            public_url: &self.public_url,
            now,
            new_id,
        }
    }
}

/// A new id: time-ordered, with 74 random bits.
pub(crate) fn new_id() -> Id {
    Id::new_v7(uuid::Uuid::now_v7())
}

/// The time.
#[expect(clippy::disallowed_methods, reason = "the server is where the clock is read")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
