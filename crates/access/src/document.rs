//! The request document: what a policy sees of a request.

mod keys;
mod non_empty;
mod references;

use std::sync::{Arc, LazyLock, OnceLock};

use firewarden_fhir::{Interaction, Resource, Target};
use serde_json::{Map, Value, json};

pub(crate) use keys::Keys;
use non_empty::without_empty_members;
pub(crate) use references::of_fhir_resource;

use crate::decide::Asker;
use crate::own_type::hide_sent;
use crate::{Caller, RequestFacts};

/// Every key that a request document can have.
pub(crate) const KEYS: &[&str] = &[
    "body",
    "client",
    "headers",
    "jwt",
    "operation",
    "params",
    "query-string",
    "remote-addr",
    "request-method",
    "resource",
    "role",
    "scheme",
    "session",
    "token",
    "uri",
    "user",
];

/// Headers that carry a credential: no document has them.
pub(crate) const CREDENTIAL_HEADERS: &[&str] =
    &["authorization", "cookie", "proxy-authorization", "x-client-auth"];

/// Parameters that are taken from the route alone.
const ROUTE_PARAMETERS: &[&str] = &["resource/type", "resource/id", "resource/target"];

/// A request document that is built when the first rule asks for it.
pub(crate) type LazyDocument<'a> =
    LazyLock<RequestDocument, Box<dyn FnOnce() -> RequestDocument + Send + 'a>>;

/// What a policy sees of one request.
#[derive(Debug)]
pub(crate) struct RequestDocument {
    whole: Value,
    non_empty: OnceLock<Option<Value>>,
}

impl RequestDocument {
    /// The document of that request, when it is asked for, as far as these keys go.
    pub(crate) fn lazy<'a>(
        interaction: &'a Interaction,
        asker: &'a Asker,
        keys: Keys,
    ) -> LazyDocument<'a> {
        let Asker { caller, facts, .. } = asker;
        LazyLock::new(Box::new(move || Self::of(interaction, caller, facts, keys)))
    }

    /// That document, as it stands.
    pub(crate) fn as_it_stands(whole: Value) -> Self {
        Self { whole, non_empty: OnceLock::new() }
    }

    /// The document, as it stands.
    pub(crate) fn whole(&self) -> &Value {
        &self.whole
    }

    /// The document without the members that are `[]`, `{}`, `""` or `null`.
    pub(crate) fn non_empty(&self) -> &Value {
        let without = self.non_empty.get_or_init(|| without_empty_members(&self.whole));
        without.as_ref().unwrap_or(&self.whole)
    }

    /// The same document with the roles of that name only.
    pub(crate) fn with_roles_named(&self, name: &str) -> Self {
        let mut whole = self.whole.clone();
        if let Some(Value::Array(roles)) = whole.get_mut("role") {
            roles.retain(|role| role.get("name").and_then(Value::as_str) == Some(name));
        }
        Self::as_it_stands(whole)
    }

    /// As [`with_roles_named`](Self::with_roles_named), when it is asked for.
    pub(crate) fn lazy_with_roles_named<'a>(
        document: &'a LazyDocument<'_>,
        name: &'a str,
    ) -> LazyDocument<'a> {
        LazyLock::new(Box::new(move || document.with_roles_named(name)))
    }

    fn of(interaction: &Interaction, caller: &Caller, facts: &RequestFacts, keys: Keys) -> Self {
        let mut parts = Parts { document: Map::new(), keys };
        request_line(&mut parts, interaction, facts);
        if let Some(resource) = interaction.resource() {
            let resource = || Some(incoming(resource, interaction.target(), &facts.base_url));
            parts.add("body", resource);
            parts.add("resource", resource);
        }
        credential(&mut parts, caller, &facts.base_url);
        parts.add("operation", || {
            Some(json!({"resourceType": "Operation", "id": interaction.operation_id()}))
        });
        Self::as_it_stands(Value::Object(parts.document))
    }
}

/// A document that is being built, of some keys.
struct Parts {
    document: Map<String, Value>,
    keys: Keys,
}

impl Parts {
    /// Adds a part, if it is asked for and there.
    fn add(&mut self, key: &'static str, part: impl FnOnce() -> Option<Value>) {
        if self.keys.has(key) {
            self.document.extend(part().map(|part| (key.to_owned(), part)));
        }
    }
}

fn request_line(parts: &mut Parts, interaction: &Interaction, facts: &RequestFacts) {
    parts.add("request-method", || Some(interaction.method().into()));
    parts.add("scheme", || Some(facts.scheme.into()));
    parts.add("remote-addr", || Some(facts.remote_address?.to_string().into()));
    parts.add("headers", || Some(headers(&facts.headers)));
    parts.add("query-string", || Some(facts.query_string.as_deref()?.into()));
    parts.add("uri", || Some(interaction.uri().into()));
    parts.add("params", || Some(params(interaction)));
}

/// Repeated headers are one, joined as RFC 9110 section 5.3 says.
fn headers(sent: &[(String, String)]) -> Value {
    let mut headers = Map::new();
    for (name, value) in sent {
        let name = name.to_ascii_lowercase();
        if CREDENTIAL_HEADERS.contains(&name.as_str()) {
            continue;
        }
        let joined = match headers.get(&name).and_then(Value::as_str) {
            Some(earlier) => format!("{earlier}, {value}"),
            None => value.clone(),
        };
        headers.insert(name, joined.into());
    }
    Value::Object(headers)
}

/// What `params.resource/type` says of the route.
pub(crate) fn route_type(interaction: &Interaction) -> Option<&str> {
    let said = interaction.route_parameters();
    said.into_iter().find(|(name, _)| *name == "resource/type").map(|(_, of)| of)
}

fn params(interaction: &Interaction) -> Value {
    let mut params = Map::new();
    let sent = interaction.parameters();
    for (name, value) in sent.iter().filter(|(name, _)| !ROUTE_PARAMETERS.contains(&&**name)) {
        let value = Value::from(value.as_str());
        match params.get_mut(name) {
            None => drop(params.insert(name.clone(), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = json!([first.take(), value]),
        }
    }
    for (name, value) in interaction.route_parameters() {
        params.insert(name.into(), value.into());
    }
    Value::Object(params)
}

/// The incoming resource. Its type and, of an update, its id are those that it will be stored
/// under, whatever it was sent with, and a secret in it is hidden.
fn incoming(resource: &Resource, target: Option<&Target>, base_url: &str) -> Value {
    let mut content = resource.content.clone();
    hide_sent(resource.resource_type, &mut content);
    content.insert("resourceType".into(), resource.resource_type.name().into());
    if let Some(target) = target {
        content.insert("id".into(), target.id.as_str().into());
    }
    let mut content = Value::Object(content);
    references::of_sent_resource(&mut content, resource.resource_type, base_url);
    content
}

fn credential(parts: &mut Parts, caller: &Caller, base_url: &str) {
    let claims = |claims: &Map<String, Value>| Value::Object(claims.clone());
    parts.add("jwt", || caller.jwt.as_deref().map(claims));
    parts.add("token", || caller.token.as_deref().map(claims));
    parts.add("user", || Some(stored(caller.user.as_ref()?, "User", "password", base_url)));
    parts.add("client", || Some(stored(caller.client.as_ref()?, "Client", "secret", base_url)));
    parts.add("role", || {
        let roles = caller.roles.iter().map(|role| stored(role, "Role", "", base_url));
        (!caller.roles.is_empty()).then(|| roles.collect())
    });
    parts.add("session", || {
        let session = session(caller);
        (!session.is_empty()).then_some(Value::Object(session))
    });
}

/// A resource of the caller's. It comes without secrets; its secret attribute, masked or not, is
/// left out here once more.
fn stored(
    content: &Arc<Map<String, Value>>,
    resource_type: &str,
    secret: &str,
    base_url: &str,
) -> Value {
    let mut content = Map::clone(content);
    content.shift_remove(secret);
    content.entry("resourceType").or_insert_with(|| resource_type.into());
    let mut content = Value::Object(content);
    references::of_stored_resource(&mut content, base_url);
    content
}

fn session(caller: &Caller) -> Map<String, Value> {
    let mut session = Map::new();
    let user = caller.user_id().map(|id| references::to("User", id));
    let client = caller.client_id().map(|id| references::to("Client", id));
    let roles = caller.roles.iter().filter_map(|role| role.get("id")?.as_str());
    let roles: Vec<Value> = roles.map(|id| references::to("Role", id)).collect();
    let facts = &caller.session;
    let members = [
        ("user", user),
        ("client", client),
        ("role", (!roles.is_empty()).then_some(Value::Array(roles))),
        ("iss", facts.issuer.as_deref().map(Value::from)),
        ("scope", facts.scope.as_deref().map(Value::from)),
        ("exp", facts.expires_at.map(|at| at.as_second().into())),
        ("jti", facts.token_id.as_deref().map(Value::from)),
    ];
    for (key, value) in members {
        session.extend(value.map(|value| (key.to_owned(), value)));
    }
    session
}

#[cfg(test)]
mod tests {
    use firewarden_fhir::search::SearchQuery;
    use firewarden_fhir::{Id, IfMatch, ResourceType, SearchForm, Timestamp, WriteCondition};

    use super::*;
    use crate::Session;
    use crate::own_type::SECRET_POINTERS;

    fn object(value: Value) -> Arc<Map<String, Value>> {
        Arc::new(value.as_object().unwrap().clone())
    }

    fn of(name: &str) -> ResourceType {
        ResourceType::parse(name).unwrap()
    }

    fn document(interaction: &Interaction, caller: Caller) -> Value {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let facts = RequestFacts {
            scheme: "https",
            remote_address: Some([192, 0, 2, 7].into()),
            headers: vec![
                header("accept", "application/json"),
                header("x-tag", "a"),
                header("x-tag", "b"),
                header("authorization", "Bearer CANARY"),
                header("Cookie", "CANARY"),
                header("x-client-auth", "CANARY"),
            ],
            query_string: Some("name=a".into()),
            base_url: "https://fw.example/fhir".into(),
        };
        RequestDocument::of(interaction, &caller, &facts, Keys::ALL).whole
    }

    #[test]
    fn an_anonymous_search_shows_the_request_and_nothing_of_a_caller() {
        let mut query = SearchQuery::all(of("Patient"));
        query.applied = [("name", "a"), ("name", "b"), ("_count", "3"), ("name", "c")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        let search = Interaction::Search(query, SearchForm::Post);
        assert_eq!(
            document(&search, Caller::anonymous()),
            json!({
                "request-method": "post",
                "scheme": "https",
                "remote-addr": "192.0.2.7",
                "headers": {"accept": "application/json", "x-tag": "a, b"},
                "query-string": "name=a",
                "uri": "/fhir/Patient/_search",
                "params": {"name": ["a", "b", "c"], "_count": "3", "resource/type": "Patient"},
                "operation": {"resourceType": "Operation", "id": "FhirSearch"},
            })
        );
    }

    #[test]
    fn nothing_in_a_query_overwrites_the_route() {
        let mut query = SearchQuery::all(of("Patient"));
        query.applied = ["resource/type", "resource/id", "resource/target"]
            .map(|name| (name.to_owned(), "User".to_owned()))
            .to_vec();
        let document = document(&Interaction::Search(query, SearchForm::Get), Caller::anonymous());
        assert_eq!(document["params"], json!({"resource/type": "Patient"}));
    }

    #[test]
    fn a_caller_is_shown_without_secrets_and_with_derived_references() {
        let caller = Caller {
            user: Some(object(json!({"id": "alice", "password": "CANARY"}))),
            client: Some(object(
                json!({"id": "app", "secret": "CANARY", "resourceType": "Client"}),
            )),
            roles: vec![object(
                json!({"id": "r", "name": "doctor", "user": {"reference": "User/alice"}}),
            )],
            jwt: Some(object(json!({"sub": "alice", "empty": ""}))),
            token: None,
            session: Session {
                introspector: None,
                issuer: Some("https://idp".into()),
                scope: Some("openid".into()),
                expires_at: Some(Timestamp::from_second(7).unwrap()),
                token_id: Some("t".into()),
                scopes_enforced: false,
            },
        };
        let target = Target::new(of("Patient"), Id::parse("1").unwrap());
        let document = document(&Interaction::Read(target), caller);
        let reference = |of: &str, id: &str| json!({"reference": format!("{of}/{id}"), "resourceType": of, "id": id});
        assert_eq!(document["user"], json!({"id": "alice", "resourceType": "User"}));
        assert_eq!(document["client"], json!({"id": "app", "resourceType": "Client"}));
        assert_eq!(document["role"][0]["user"], reference("User", "alice"));
        assert_eq!(document["jwt"], json!({"sub": "alice", "empty": ""}));
        assert_eq!(
            document["session"],
            json!({
                "user": reference("User", "alice"),
                "client": reference("Client", "app"),
                "role": [reference("Role", "r")],
                "iss": "https://idp", "scope": "openid", "exp": 7, "jti": "t",
            })
        );
        assert_eq!(document["params"], json!({"resource/type": "Patient", "resource/id": "1"}));
        assert!(!document.to_string().contains("CANARY"));
        assert!(document.get("token").is_none() && document.get("body").is_none());
    }

    #[test]
    fn a_write_shows_its_resource_twice() {
        let content = json!({"id": "other", "subject": {"reference": "Patient/1", "id": "2"}});
        let resource = Resource {
            resource_type: of("Observation"),
            content: content.as_object().unwrap().clone(),
        };
        let target = Target::new(of("Observation"), Id::parse("o").unwrap());
        let update = Interaction::Update(target, resource, IfMatch::Any);
        let document = document(&update, Caller::anonymous());
        assert_eq!(
            document["resource"],
            json!({
                "id": "o",
                "subject": {"reference": "Patient/1", "resourceType": "Patient", "id": "1"},
                "resourceType": "Observation",
            })
        );
        assert_eq!(document["resource"], document["body"]);
    }

    #[test]
    fn a_write_of_our_own_types_shows_no_secret_that_was_sent() {
        let sent = json!({
            "password": "CANARY", "secret": "CANARY", "token": "CANARY",
            "client": {"secret": "CANARY", "private-key": "CANARY", "private_key": "CANARY"},
            "jwt": {"secret": "CANARY", "keys": [{"k": "CANARY"}, {"k": {"k": "CANARY"}}]},
            "introspection_endpoint": {"authorization": "CANARY"},
        });
        for (of, pointers) in SECRET_POINTERS {
            let resource_type = self::of(of);
            let mut content = sent.as_object().unwrap().clone();
            content.retain(|name, _| pointers.iter().any(|at| at.starts_with(&format!("/{name}"))));
            let resource = Resource { resource_type, content };
            let target = Target::new(resource_type, Id::parse("o").unwrap());
            let condition = WriteCondition::one(SearchQuery::all(resource_type));
            for write in [
                Interaction::Create(resource.clone()),
                Interaction::ConditionalCreate(condition.clone(), resource.clone()),
                Interaction::Update(target, resource.clone(), IfMatch::Any),
                Interaction::ConditionalUpdate(condition, resource, IfMatch::Any),
            ] {
                let document = document(&write, Caller::anonymous());
                assert!(!document.to_string().contains("CANARY"), "{of}: {document}");
                assert!(document["body"].to_string().contains("***"), "{of}: {document}");
            }
        }
    }

    #[test]
    fn every_key_of_a_document_is_listed() {
        assert!(KEYS.is_sorted());
        let caller = Caller {
            user: Some(object(json!({"id": "a"}))),
            client: Some(object(json!({"id": "a"}))),
            roles: vec![object(json!({"id": "a"}))],
            jwt: Some(object(json!({"sub": "a"}))),
            token: Some(object(json!({"sub": "a"}))),
            ..Caller::anonymous()
        };
        let resource = Resource { resource_type: of("Patient"), content: Map::new() };
        let document = document(&Interaction::Create(resource), caller);
        let mut keys: Vec<&String> = document.as_object().unwrap().keys().collect();
        keys.sort();
        assert_eq!(keys, KEYS);
    }
}
