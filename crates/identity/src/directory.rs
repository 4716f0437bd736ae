//! The port to the stored users, roles and clients.

use std::sync::Arc;

use async_trait::async_trait;
use firewarden_fhir::{Id, Timestamp, Version};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// A resource's content.
pub type Content = Arc<Map<String, Value>>;

/// Finds users, roles and clients, and makes users. What is deleted is not found; what is inactive is, and refused
/// here.
#[async_trait]
pub trait Directory: Send + Sync {
    /// The version of what is found here: what was found in a version is found as long as it is the
    /// present one. No version comes twice.
    async fn version(&self) -> Result<u64, DirectoryUnavailable>;

    /// The `User` of that id.
    async fn user(&self, id: &Id) -> Result<Option<Content>, DirectoryUnavailable>;

    /// The `User`s with that `identifier`, inactive ones too; at most
    /// [`limits::USERS_PER_STEP_MAX`](crate::limits::USERS_PER_STEP_MAX).
    async fn users_by_identifier(
        &self,
        system: &str,
        value: &str,
    ) -> Result<Vec<Content>, DirectoryUnavailable>;

    /// The `User`s whose `data.sub` is that, inactive ones too; at most
    /// [`limits::USERS_PER_STEP_MAX`](crate::limits::USERS_PER_STEP_MAX).
    async fn users_by_data_sub(&self, sub: &str) -> Result<Vec<Content>, DirectoryUnavailable>;

    /// The `Role`s whose `user` is that one, in any order.
    async fn roles(&self, user: &Id) -> Result<Vec<Content>, DirectoryUnavailable>;

    /// The `Session` of that id, as it is now: its end is the end of its token.
    async fn session(&self, id: &Id) -> Result<Option<StoredSession>, DirectoryUnavailable>;

    /// Makes a `User` of that id, of its own accord. `None` if there is one, or was.
    async fn create_user(
        &self,
        id: &Id,
        user: Map<String, Value>,
        now: Timestamp,
    ) -> Result<Option<Content>, DirectoryUnavailable>;

    /// The `Client` of that id.
    async fn client(&self, id: &Id) -> Result<Option<StoredClient>, DirectoryUnavailable>;
}

/// A `Client` as it is stored.
#[derive(Clone)]
pub struct StoredClient {
    /// Its version: a verified secret is remembered for this version only.
    pub version: Version,
    /// Its content.
    pub content: Content,
    /// The hash of its secret, as [`hash_secret`](crate::hash_secret) made it.
    pub secret_hash: Option<Zeroizing<String>>,
}

/// A `Session` as it is stored.
#[derive(Clone)]
pub struct StoredSession {
    /// Whose it is.
    pub client: Id,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The scopes it was granted.
    pub scope: Option<String>,
    /// The hash of its token, as [`session_token_hash`](crate::session_token_hash) makes it.
    pub token_hash: Zeroizing<Vec<u8>>,
}

/// Users and clients cannot be looked up now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the directory is not available: {0}")]
pub struct DirectoryUnavailable(pub String);
