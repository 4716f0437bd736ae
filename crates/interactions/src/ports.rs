//! What the interactions stand on, handed in by the server.

use async_trait::async_trait;
use firewarden_fhir::{Id, Issue, ResourceType, Target, Timestamp};
use firewarden_store::Store;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::ServerKey;

/// What one interaction is performed with.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// The resources.
    pub store: &'a Store,
    /// The rules of our own types.
    pub own_types: &'a dyn OwnTypes,
    /// Binds cursors to who was given them.
    pub server_key: &'a ServerKey,
    /// Who asks, in one text that no other caller has.
    pub caller: &'a str,
    /// This server's public URL without a trailing slash; `/fhir` follows it.
    pub public_url: &'a str,
    /// The time of the request.
    pub now: Timestamp,
    /// Makes the ids of created resources.
    pub new_id: fn() -> Id,
}

impl Ports<'_> {
    /// The absolute URL below which a type stands: our own types are at the root.
    pub(crate) fn base_of(&self, resource_type: ResourceType) -> String {
        let fhir = if resource_type.is_own() { "" } else { "/fhir" };
        format!("{}{fhir}", self.public_url)
    }
}

/// The rules of our own types, which other crates keep.
#[async_trait]
pub trait OwnTypes: Send + Sync {
    /// Checks one resource's content, its references in the form `{reference}` and its secrets
    /// still in it: warnings, or what must be mended.
    fn check(
        &self,
        resource_type: ResourceType,
        content: &Map<String, Value>,
    ) -> Result<Vec<Issue>, Vec<Issue>>;

    /// Checks what is to be written against what is stored: warnings, or conflicts. `None` is a
    /// deletion.
    async fn check_together(
        &self,
        writes: &[(&Target, Option<&Map<String, Value>>)],
    ) -> Result<Vec<Issue>, Vec<Issue>>;

    /// The JSON Pointers at which that type holds secrets; `*` stands for every index of a list.
    fn secret_pointers(&self, resource_type: ResourceType) -> &'static [&'static str];

    /// The form in which a secret is kept: a hash where it is only ever compared. `None` when too
    /// many are being made.
    async fn kept_form(
        &self,
        resource_type: ResourceType,
        secret: Zeroizing<String>,
    ) -> Option<Zeroizing<Vec<u8>>>;
}
