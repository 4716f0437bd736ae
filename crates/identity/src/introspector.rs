//! A `TokenIntrospector`: which issuer is trusted, by which keys, and what its tokens must hold.

mod attributes;
mod conflicts;
mod endpoint;
mod reading;
mod static_keys;

use std::fmt;
use std::time::Duration;

use firewarden_fhir::{Id, Issue, Version};
use reqwest::header::HeaderValue;
use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

pub use conflicts::{conflicts, moved_credential, needs_binding};

pub(crate) use self::endpoint::provider_of;
use self::reading::Masked;
use crate::claims::Demands;
use crate::keys::VerificationKey;
use crate::{Algorithm, OutboundAllow};

/// A stored `TokenIntrospector`, read.
pub struct Introspector {
    pub(crate) id: Id,
    pub(crate) version: Version,
    // INVARIANT: `None` for one that could not be read. It vouches for nothing, and still counts,
    // so that a fault never makes another introspector the only one.
    pub(crate) trust: Option<Trust>,
    pub(crate) active: bool,
    pub(crate) warnings: Vec<Issue>,
}

/// What a readable introspector says.
pub(crate) struct Trust {
    /// Whose tokens it vouches for. One that asks an endpoint may leave it to the endpoint.
    pub(crate) issuer: Option<String>,
    pub(crate) keys: KeyOrigin,
    pub(crate) demands: Demands,
    /// Whether the operator vouches that subjects are ids of our users.
    pub(crate) subjects_are_ids: bool,
    /// The `IdentityProvider` that says under which further system users are found.
    pub(crate) identity_provider: Option<Id>,
    /// That system, once [`give_systems`](crate::give_systems) has said that it may count.
    pub(crate) system: Option<String>,
    /// The claim that names a `Client`.
    pub(crate) client_claim: Option<String>,
    /// Whether a `User` is made for a subject that has none.
    pub(crate) creates_users: bool,
    /// Whether SMART scopes limit what the tokens may do.
    pub(crate) enforces_scopes: bool,
}

impl Trust {
    /// The systems under which `User.identifier` has its subjects.
    pub(crate) fn systems(&self) -> impl Iterator<Item = &str> {
        self.issuer.iter().chain(&self.system).map(String::as_str)
    }
}

/// Where an introspector's keys come from.
pub(crate) enum KeyOrigin {
    Secret(VerificationKey),
    Static(Vec<VerificationKey>),
    KeySet {
        place: KeySetPlace,
        kept_for: Duration,
        algorithms: Vec<Algorithm>,
    },
    /// Nowhere: another server judges the tokens.
    Endpoint(Asked),
}

/// Where a key set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeySetPlace {
    /// Here.
    At(Url),
    /// Where the configuration at this URL says, if it is that of the issuer.
    Discovered { issuer: String, at: Url },
}

/// The introspection endpoint that is asked (RFC 7662).
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) url: Url,
    /// The value of the `Authorization` header that is sent there.
    pub(crate) authorization: HeaderValue,
    /// How long its answers are believed.
    pub(crate) kept_for: Duration,
}

impl Introspector {
    /// Reads a stored introspector. Its content carries masks where `secrets`, by JSON Pointer,
    /// has the text.
    pub fn parse(
        id: &Id,
        version: Version,
        content: &Map<String, Value>,
        secrets: &[(String, Zeroizing<Vec<u8>>)],
        outbound: &OutboundAllow,
    ) -> Result<Self, Vec<Issue>> {
        let read = reading::read(content, Masked::Sealed(secrets), outbound)?;
        let (trust, warnings) = (Some(read.trust), read.warnings);
        Ok(Self { id: id.clone(), version, trust, active: read.active, warnings })
    }

    /// One that could not be read: nothing is trusted on its word.
    pub fn unreadable(id: &Id, version: Version) -> Self {
        Self { id: id.clone(), version, trust: None, active: true, warnings: Vec::new() }
    }

    /// Its id.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The `iss` it vouches for; `None` if it could not be read, or leaves that to an endpoint.
    pub fn issuer(&self) -> Option<&str> {
        self.trust.as_ref().and_then(|trust| trust.issuer.as_deref())
    }

    /// What its author should know.
    pub fn warnings(&self) -> &[Issue] {
        &self.warnings
    }

    /// Whether it is in use.
    pub fn is_active(&self) -> bool {
        self.active
    }
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspector")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("issuer", &self.issuer())
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

/// Checks a `TokenIntrospector` that is about to be saved, its secrets still in it: the warnings
/// of one that can be saved, the errors of one that cannot.
pub fn check_introspector(
    content: &Map<String, Value>,
    outbound: &OutboundAllow,
) -> Result<Vec<Issue>, Vec<Issue>> {
    reading::read(content, Masked::Kept, outbound).map(|read| read.warnings)
}
