//! From a request's credential to its caller.

mod opaque;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use firewarden_access::{Caller, Session};
use firewarden_fhir::{Id, Timestamp, Version};
use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::error;
use zeroize::Zeroizing;

use crate::basic::{Clients, Grant};
use crate::creation::Creation;
use crate::credentials::Credentials;
use crate::directory::{Content, Directory};
use crate::headers::Headers;
use crate::introspection::Endpoint;
use crate::introspector::{Introspector, KeyOrigin, Trust};
use crate::jwks::{self, KeySetState, KeySource};
use crate::keys::Signed;
use crate::known_caller::KnownCaller;
use crate::remote::{Remote, SystemResolver};
use crate::unauthenticated::{Check, Unauthenticated};
use crate::unverified::Unverified;
use crate::verified::{Epoch, Remembered, Verified, fingerprint};
use crate::{OutboundAllow, limits, resolve, session};

/// Finds out who asks.
pub struct Identity {
    trusted: ArcSwap<Trusted>,
    replacing: Mutex<()>,
    epoch: Epoch,
    remembered: Remembered,
    headers: Headers,
    clients: Clients,
    creation: Creation,
    root_client: Id,
    remote: Arc<Remote>,
    runtime: Handle,
}

/// The introspectors of one moment.
#[derive(Default)]
pub(crate) struct Trusted {
    pub(crate) by_issuer: HashMap<String, Trustee>,
    /// Those that ask an endpoint, in the order of their ids.
    asking: Vec<Trustee>,
    /// Active introspectors, those that cannot be read among them.
    active: usize,
    /// Which they were, to know a change from a repetition.
    from: Vec<Origin>,
}

/// An introspector's id and version, whether it could be read, and the system of its identity
/// provider.
type Origin = (Id, Version, bool, Option<String>);

/// An active introspector, and whom it asks: for keys if it does not have them itself, or for its
/// word on each token.
#[derive(Clone)]
pub(crate) struct Trustee {
    pub(crate) introspector: Arc<Introspector>,
    pub(crate) keys: Option<Arc<KeySource>>,
    pub(crate) endpoint: Option<Arc<Endpoint>>,
}

impl Identity {
    /// An identity that trusts nobody yet. No token speaks for `root_client`. Its background
    /// fetches run on `runtime`; `random_key` is random and lives as long as the process.
    pub fn new(
        outbound: OutboundAllow,
        root_client: Id,
        random_key: &[u8; 32],
        runtime: Handle,
    ) -> Self {
        let epoch = Epoch::default();
        Self {
            trusted: ArcSwap::default(),
            replacing: Mutex::new(()),
            remembered: Remembered::new(epoch.clone()),
            headers: Headers::default(),
            epoch,
            clients: Clients::new(random_key),
            creation: Creation::new(),
            root_client,
            remote: Arc::new(Remote::new(outbound, Arc::new(SystemResolver))),
            runtime,
        }
    }

    /// Trusts these introspectors and no others, from now on. The keys of those that did not
    /// change are kept; inactive ones are left out. The same ones once more change nothing.
    pub fn replace_introspectors(&self, mut introspectors: Vec<Introspector>) {
        let _one_at_a_time = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        introspectors.retain(Introspector::is_active);
        let before = self.trusted.load_full();
        let origin = |one: &Introspector| {
            let system = one.trust.as_ref().and_then(|trust| trust.system.clone());
            (one.id.clone(), one.version, one.trust.is_some(), system)
        };
        let mut from: Vec<Origin> = introspectors.iter().map(origin).collect();
        from.sort();
        if from == before.from {
            return;
        }
        let active = introspectors.len();
        let mut trusted = Trusted { active, from, ..Trusted::default() };
        let mut ambiguous = Vec::new();
        for introspector in introspectors {
            let introspector = Arc::new(introspector);
            let Some(trust) = &introspector.trust else {
                continue;
            };
            let keys = self.key_source(&introspector, trust, &before);
            let endpoint = self.endpoint(&introspector, trust, &before);
            let trustee = Trustee { introspector: Arc::clone(&introspector), keys, endpoint };
            if trustee.endpoint.is_some() {
                trusted.asking.push(trustee.clone());
            }
            if let Some(issuer) = &trust.issuer
                && trusted.by_issuer.insert(issuer.clone(), trustee).is_some()
            {
                ambiguous.push(issuer.clone());
            }
        }
        trusted.asking.sort_by(|a, b| a.introspector.id.cmp(&b.introspector.id));
        // Nobody can say whose word counts, so nobody's does.
        for issuer in ambiguous {
            error!(issuer, "two active introspectors have the same issuer; neither is trusted");
            trusted.by_issuer.remove(&issuer);
            trusted.asking.retain(|one| one.introspector.issuer() != Some(&issuer));
        }
        self.trusted.store(Arc::new(trusted));
        self.remembered.forget_all();
    }

    /// The key sets of the introspectors that have one, ordered by introspector.
    pub fn key_sets(&self) -> Vec<KeySetState> {
        let trusted = self.trusted.load();
        let sources = trusted.by_issuer.values().filter_map(|trustee| trustee.keys.as_ref());
        let mut states: Vec<KeySetState> = sources.map(|source| source.state()).collect();
        states.sort_by(|a, b| a.introspector.cmp(&b.introspector));
        states
    }

    fn key_source(
        &self,
        introspector: &Introspector,
        trust: &Trust,
        before: &Trusted,
    ) -> Option<Arc<KeySource>> {
        let KeyOrigin::KeySet { place, kept_for, algorithms } = &trust.keys else {
            return None;
        };
        let same = |old: &&Trustee| {
            old.introspector.id == introspector.id
                && old.introspector.version == introspector.version
                && old.keys.as_ref().is_some_and(|keys| keys.place() == place)
        };
        if let Some(old) =
            trust.issuer.as_ref().and_then(|issuer| before.by_issuer.get(issuer)).filter(same)
        {
            return old.keys.clone();
        }
        let origin = jwks::Origin {
            introspector: introspector.id.clone(),
            place: place.clone(),
            kept_for: *kept_for,
            algorithms: algorithms.clone(),
        };
        let (remote, epoch) = (Arc::clone(&self.remote), self.epoch.clone());
        Some(KeySource::start(origin, remote, epoch, self.runtime.clone()))
    }

    /// The caller of a request with these credentials. Without any, it is anonymous; with bad ones
    /// there is none.
    pub async fn authenticate(
        &self,
        credentials: &Credentials<'_>,
        directory: &dyn Directory,
        now: Timestamp,
    ) -> Result<Caller, Unauthenticated> {
        match credentials {
            Credentials::Absent => Ok(Caller::anonymous()),
            Credentials::Ambiguous => Err(Unauthenticated::Ambiguous),
            Credentials::Malformed(check) => Err(Unauthenticated::Malformed(*check)),
            Credentials::Bearer(token) => self.bearer(token, directory, now).await,
            Credentials::Basic { client, secret } => {
                let client = self.client(client, secret, directory).await?;
                Ok(Caller { client: Some(client), ..Caller::default() })
            }
            Credentials::BearerFromClient { token, client, secret } => {
                let caller = self.bearer(token, directory, now).await?;
                let client = self.client(client, secret, directory).await?;
                if caller.client.as_ref().is_some_and(|named| named.get("id") != client.get("id")) {
                    return Err(Unauthenticated::ClientRefused(Check::OneClient));
                }
                Ok(Caller { client: Some(client), ..caller })
            }
        }
    }

    /// Whether a token can be judged without checking a signature: one of this server's own, and
    /// one that was verified lately.
    pub fn needs_no_signature_of(&self, token: &str) -> bool {
        let fingerprint = fingerprint(token).filter(|_| token.len() <= limits::TOKEN_BYTES_MAX);
        session::is_ours(token)
            || fingerprint.is_some_and(|fingerprint| self.remembered.find(&fingerprint).is_some())
    }

    /// The client that asks for a token of its own by its secret (RFC 6749 section 4.4).
    pub async fn client_of_token_request(
        &self,
        client: &str,
        secret: Zeroizing<String>,
        directory: &dyn Directory,
    ) -> Result<Content, Unauthenticated> {
        self.clients.authenticate((client, secret), Grant::ClientCredentials, directory).await
    }

    async fn client(
        &self,
        client: &str,
        secret: &Zeroizing<String>,
        directory: &dyn Directory,
    ) -> Result<Content, Unauthenticated> {
        self.clients.authenticate((client, secret.clone()), Grant::Basic, directory).await
    }

    /// Whom this identity trusts now.
    pub(crate) fn trusted(&self) -> Arc<Trusted> {
        self.trusted.load_full()
    }

    /// The caller that a token speaks for; a user is made if that is wanted.
    async fn bearer(
        &self,
        token: &str,
        directory: &dyn Directory,
        now: Timestamp,
    ) -> Result<Caller, Unauthenticated> {
        if session::is_ours(token) {
            return session::caller(token, directory, now).await;
        }
        let verified = self.verify(token, now).await?;
        // The version is read first: who is found is at least as new.
        let version = directory.version().await?;
        if let Some(caller) = verified.caller.of(version) {
            return Ok(caller);
        }
        let mut caller = self.caller(&verified, directory).await?;
        let trust = verified.introspector.trust.as_ref();
        match trust.filter(|trust| trust.creates_users && caller.user.is_none()) {
            None => verified.caller.keep(version, &caller),
            Some(trust) => {
                let who = (verified.introspector.as_ref(), trust);
                caller.user = self.creation.user(who, &verified, directory, now).await?;
                if let Some(user) = &caller.user {
                    caller.roles = resolve::roles(user, directory).await?;
                }
            }
        }
        Ok(caller)
    }

    /// The caller that a verified token speaks for, as far as it is stored.
    pub(crate) async fn caller(
        &self,
        verified: &Verified,
        directory: &dyn Directory,
    ) -> Result<Caller, Unauthenticated> {
        let Some(trust) = &verified.introspector.trust else {
            return Err(Unauthenticated::UnknownIssuer);
        };
        let who = (verified.introspector.as_ref(), trust);
        let client = resolve::client(trust, &verified.claims, &self.root_client, directory).await?;
        let user = resolve::user(who, &verified.claims, verified.is_only, directory).await?;
        let roles = match &user {
            Some(user) => resolve::roles(user, directory).await?,
            None => Vec::new(),
        };
        let session = session(verified);
        let claims = Some(Arc::clone(&verified.claims));
        let (jwt, token) = match &trust.keys {
            KeyOrigin::Endpoint(_) => (None, claims),
            KeyOrigin::Secret(_) | KeyOrigin::Static(_) | KeyOrigin::KeySet { .. } => {
                (claims, None)
            }
        };
        Ok(Caller { user, client, roles, jwt, token, session })
    }

    /// Verifies a token: by whom it may be vouched for, what that one demands, the signature.
    pub(crate) async fn verify(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Arc<Verified>, Unauthenticated> {
        if token.len() > limits::TOKEN_BYTES_MAX {
            return Err(Unauthenticated::TokenRefused(Check::Length));
        }
        // The epoch is read before the introspectors, so that what is remembered is never newer
        // than what it was verified with.
        let epoch = self.epoch.now();
        let fingerprint = fingerprint(token);
        let known = fingerprint.and_then(|fingerprint| self.remembered.find(&fingerprint));
        if let Some(verified) = known {
            if let Some(trust) = &verified.introspector.trust {
                trust.demands.check_times(&verified.times, now)?;
            }
            return Ok(verified);
        }
        let trusted = self.trusted.load_full();
        if let Some(asking) = trusted.asking_about(token) {
            return self.introspect(token, asking, &trusted, now).await.map(Arc::new);
        }
        let (verified, fresh_until) = self.verify_unknown(token, &trusted, now).await?;
        let verified = Arc::new(verified);
        if let Some(fingerprint) = fingerprint {
            self.remembered.keep(fingerprint, &verified, (epoch, token.len()), fresh_until);
        }
        Ok(verified)
    }

    /// The claims of a token, verified as if it had never been seen, and not remembered: what
    /// reading, checks and signature take by themselves, without the caller being looked up.
    pub async fn verify_anew(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Arc<Map<String, Value>>, Unauthenticated> {
        let trusted = self.trusted.load_full();
        let (verified, _) = self.verify_unknown(token, &trusted, now).await?;
        Ok(verified.claims)
    }

    async fn verify_unknown(
        &self,
        token: &str,
        trusted: &Trusted,
        now: Timestamp,
    ) -> Result<(Verified, Option<Instant>), Unauthenticated> {
        let unverified = Unverified::read_with(token, &self.headers);
        let unverified = unverified.map_err(Unauthenticated::TokenRefused)?;
        let issuer = unverified.claims.get("iss").and_then(Value::as_str);
        let issuer = issuer.ok_or(Unauthenticated::TokenRefused(Check::Issuer))?;
        let is_only = trusted.active == 1;
        let trustee = trusted.by_issuer.get(issuer);
        let Trustee { introspector, keys, .. } = trustee.ok_or(Unauthenticated::UnknownIssuer)?;
        let trust = introspector.trust.as_ref().ok_or(Unauthenticated::UnknownIssuer)?;
        let typ = unverified.header.typ.as_deref();
        let times =
            trust.demands.check(typ, &unverified.claims).map_err(Unauthenticated::TokenRefused)?;
        trust.demands.check_times(&times, now)?;
        let signed = Signed {
            algorithm: unverified.header.algorithm,
            key_id: unverified.header.key_id.as_deref(),
            text: unverified.signed,
            signature: &unverified.signature,
        };
        let fresh_until = match (&trust.keys, keys) {
            (KeyOrigin::Secret(key), _) => {
                signed.verify_with_secret(key).map_err(Unauthenticated::TokenRefused)?;
                None
            }
            (KeyOrigin::Static(keys), _) => {
                signed.verify_with_static(keys).map_err(Unauthenticated::TokenRefused)?;
                None
            }
            (KeyOrigin::KeySet { .. }, Some(keys)) => Some(keys.verify(&signed).await?),
            (KeyOrigin::KeySet { .. }, None) | (KeyOrigin::Endpoint(_), _) => {
                return Err(Unauthenticated::UnknownIssuer);
            }
        };
        if let Some(text) = unverified.new_header {
            self.headers.keep(text, &unverified.header);
        }
        let introspector = Arc::clone(introspector);
        let issuer = trust.issuer.clone();
        let claims = Arc::new(unverified.claims);
        let caller = KnownCaller::default();
        Ok((Verified { introspector, issuer, claims, times, is_only, caller }, fresh_until))
    }
}

fn session(verified: &Verified) -> Session {
    let text = |name| verified.claims.get(name).and_then(Value::as_str).map(str::to_owned);
    Session {
        introspector: Some(verified.introspector.id.clone()),
        issuer: verified.issuer.clone(),
        scope: text("scope"),
        expires_at: verified.times.expires_at(),
        token_id: text("jti"),
        // An introspector that cannot be read vouches for nobody; nor does it lift a limit.
        scopes_enforced: verified
            .introspector
            .trust
            .as_ref()
            .is_none_or(|trust| trust.enforces_scopes),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trusting(version: u64) -> Vec<Introspector> {
        let content = json!({"type": "jwt", "jwt": {"iss": "https://a", "secret": "secret"}});
        let content = content.as_object().unwrap();
        let id = Id::parse("a").unwrap();
        let outbound = OutboundAllow::default();
        vec![Introspector::parse(&id, Version(version), content, &[], &outbound).unwrap()]
    }

    #[tokio::test]
    async fn only_a_change_of_introspectors_ends_what_is_remembered() {
        let identity = Identity::new(
            OutboundAllow::default(),
            Id::parse("root").unwrap(),
            &[0; 32],
            Handle::current(),
        );
        let unreadable = || vec![Introspector::unreadable(&Id::parse("a").unwrap(), Version(2))];
        for (introspectors, changes) in [
            (Vec::new(), false),
            (trusting(1), true),
            (trusting(1), false),
            (trusting(2), true),
            (unreadable(), true),
            (unreadable(), false),
            (Vec::new(), true),
        ] {
            let before = identity.epoch.now();
            identity.replace_introspectors(introspectors);
            assert_eq!(identity.epoch.now() != before, changes);
        }
    }
}
