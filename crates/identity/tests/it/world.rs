//! A directory in memory, a provider on loopback, and an identity between them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use firewarden_access::Caller;
use firewarden_fhir::{Id, Timestamp, Version};
use firewarden_identity::{
    Content, Credentials, Directory, DirectoryUnavailable, Identity, Introspector, OutboundAllow,
    StoredClient, StoredSession, Unauthenticated,
};
use firewarden_testkit::{FakeProvider, hmac_token, key};
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use zeroize::Zeroizing;

/// The time of every request, in seconds since 1970.
pub(crate) const NOW_S: i64 = 1_800_000_000;
/// The secret of the introspector `shared`.
pub(crate) const SECRET: &str = "a shared secret of more than 32 bytes";
/// Its issuer.
pub(crate) const SHARED: &str = "https://shared.example.com";

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(NOW_S).unwrap()
}

/// Users, roles and clients in memory.
#[derive(Default)]
pub(crate) struct FakeDirectory {
    pub(crate) users: Vec<Value>,
    /// Those that the server made.
    pub(crate) made: Mutex<Vec<Value>>,
    /// Ids that were there once.
    pub(crate) gone: Vec<String>,
    pub(crate) roles: Vec<Value>,
    pub(crate) clients: Mutex<Vec<(Value, u64, Option<String>)>>,
    pub(crate) sessions: Mutex<Vec<(Id, StoredSession)>>,
    pub(crate) is_down: bool,
    /// Its version; without one, each time another.
    pub(crate) version: Option<u64>,
    pub(crate) versions: AtomicU64,
    /// How often a user was looked for by its id.
    pub(crate) looked_up: AtomicU64,
}

impl FakeDirectory {
    fn users(&self, fits: impl Fn(&Value) -> bool) -> Result<Vec<Content>, DirectoryUnavailable> {
        if self.is_down {
            return Err(DirectoryUnavailable("down".into()));
        }
        let made = self.made.lock().unwrap();
        let all = self.users.iter().chain(made.iter());
        Ok(all.filter(|user| fits(user)).map(content).collect())
    }
}

fn content(value: &Value) -> Content {
    Arc::new(value.as_object().unwrap().clone())
}

#[async_trait]
impl Directory for FakeDirectory {
    async fn version(&self) -> Result<u64, DirectoryUnavailable> {
        if self.is_down {
            return Err(DirectoryUnavailable("down".into()));
        }
        Ok(self.version.unwrap_or_else(|| self.versions.fetch_add(1, Ordering::Relaxed)))
    }

    async fn user(&self, id: &Id) -> Result<Option<Content>, DirectoryUnavailable> {
        self.looked_up.fetch_add(1, Ordering::Relaxed);
        Ok(self.users(|user| user["id"] == id.as_str())?.pop())
    }

    async fn users_by_identifier(
        &self,
        system: &str,
        value: &str,
    ) -> Result<Vec<Content>, DirectoryUnavailable> {
        self.users(|user| {
            let identifiers = user["identifier"].as_array();
            identifiers
                .is_some_and(|all| all.iter().any(|i| i["system"] == system && i["value"] == value))
        })
    }

    async fn users_by_data_sub(&self, sub: &str) -> Result<Vec<Content>, DirectoryUnavailable> {
        self.users(|user| user["data"]["sub"] == sub)
    }

    async fn roles(&self, user: &Id) -> Result<Vec<Content>, DirectoryUnavailable> {
        let reference = format!("User/{user}");
        Ok(self.roles.iter().filter(|role| role["user"] == reference).map(content).collect())
    }

    async fn session(&self, id: &Id) -> Result<Option<StoredSession>, DirectoryUnavailable> {
        let sessions = self.sessions.lock().unwrap();
        Ok(sessions.iter().find(|(session, _)| session == id).map(|(_, session)| session.clone()))
    }

    async fn create_user(
        &self,
        id: &Id,
        mut user: Map<String, Value>,
        _: Timestamp,
    ) -> Result<Option<Content>, DirectoryUnavailable> {
        tokio::task::yield_now().await;
        let taken = self.users(|user| user["id"] == id.as_str())?;
        if !taken.is_empty() || self.gone.iter().any(|gone| gone == id.as_str()) {
            return Ok(None);
        }
        user.insert("id".into(), id.as_str().into());
        let user = Value::Object(user);
        self.made.lock().unwrap().push(user.clone());
        Ok(Some(content(&user)))
    }

    async fn client(&self, id: &Id) -> Result<Option<StoredClient>, DirectoryUnavailable> {
        let clients = self.clients.lock().unwrap();
        let found = clients.iter().find(|(client, _, _)| client["id"] == id.as_str());
        Ok(found.map(|(client, version, hash)| StoredClient {
            version: Version(*version),
            content: content(client),
            secret_hash: hash.clone().map(Zeroizing::new),
        }))
    }
}

/// An identity between a provider and a directory.
pub(crate) struct World {
    pub(crate) identity: Identity,
    pub(crate) provider: FakeProvider,
    pub(crate) directory: FakeDirectory,
    version: AtomicU64,
}

impl World {
    /// Trusts nobody yet; the provider publishes all keys.
    pub(crate) async fn empty() -> Self {
        let keys = ["RS256", "ES256", "ES384", "ES512", "EdDSA"];
        let provider = FakeProvider::start(keys.map(|name| key(name).jwk()).to_vec()).await;
        let identity =
            Identity::new(loopback(), Id::parse("root").unwrap(), &[7; 32], Handle::current());
        let directory = FakeDirectory::default();
        Self { identity, provider, directory, version: AtomicU64::new(1) }
    }

    /// Trusts `shared` by a secret and `remote` by a key set.
    pub(crate) async fn new() -> Self {
        let world = Self::empty().await;
        world.trust(&[shared(json!({})), world.remote(json!({}))]);
        world
    }

    /// An introspector of the provider, with further attributes.
    pub(crate) fn remote(&self, more: Value) -> Value {
        let remote = json!({
            "id": "remote",
            "type": "jwt",
            "jwt": {"iss": self.provider.issuer()},
            "jwks_uri": self.provider.jwks_uri(),
        });
        merged(remote, more)
    }

    /// Trusts these, each in a version that was not there before.
    pub(crate) fn trust(&self, introspectors: &[Value]) {
        let version = self.version.fetch_add(1, Ordering::Relaxed);
        let read = |content| read(content, version);
        self.identity.replace_introspectors(introspectors.iter().map(read).collect());
    }

    pub(crate) async fn header(&self, header: &str) -> Result<Caller, Unauthenticated> {
        let credentials = Credentials::from_headers(&[header.as_bytes()]);
        self.identity.authenticate(&credentials, &self.directory, now()).await
    }

    pub(crate) async fn token(&self, token: &str) -> Result<Caller, Unauthenticated> {
        self.header(&format!("Bearer {token}")).await
    }

    /// `accepted`, or the check that failed.
    pub(crate) async fn outcome(&self, token: &str) -> &'static str {
        match self.token(token).await {
            Ok(_) => "accepted",
            Err(refusal) => refusal.check(),
        }
    }

    /// Claims of the provider that are right in every way.
    pub(crate) fn claims(&self, more: Value) -> Value {
        merged(json!({"iss": self.provider.issuer(), "sub": "alice", "exp": NOW_S + 60}), more)
    }

    /// A token of the provider.
    pub(crate) fn minted(&self, algorithm: &str, header: Value, claims: Value) -> String {
        key(algorithm).mint(algorithm, &header, &self.claims(claims))
    }
}

pub(crate) fn loopback() -> OutboundAllow {
    OutboundAllow::parse("127.0.0.1").unwrap()
}

/// The introspector `shared`, with further attributes.
pub(crate) fn shared(more: Value) -> Value {
    let jwt = json!({"iss": SHARED, "secret": SECRET});
    merged(json!({"id": "shared", "type": "jwt", "jwt": jwt}), more)
}

pub(crate) fn read(content: &Value, version: u64) -> Introspector {
    let id = Id::parse(content["id"].as_str().unwrap()).unwrap();
    let content = content.as_object().unwrap();
    Introspector::parse(&id, Version(version), content, &[], &loopback()).unwrap()
}

/// Claims of `shared`, and a token of them.
pub(crate) fn shared_claims(more: Value) -> Value {
    merged(json!({"iss": SHARED, "sub": "alice", "exp": NOW_S + 60}), more)
}

pub(crate) fn shared_token(more: Value) -> String {
    hmac_token("HS256", SECRET.as_bytes(), &json!({}), &shared_claims(more))
}

/// The members of both, the second's winning, objects merged; a `"(absent)"` takes one away.
pub(crate) fn merged(mut base: Value, more: Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        let members = base.as_object_mut().unwrap();
        if value == "(absent)" {
            members.remove(name);
        } else if value.is_object() && members.get(name).is_some_and(Value::is_object) {
            let below = merged(members[name].clone(), value.clone());
            members.insert(name.clone(), below);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    base
}
