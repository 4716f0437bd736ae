//! Who asks: the outcome of authentication, and all that policies learn of it.

use std::sync::Arc;

use firewarden_fhir::{Id, ResourceType, Target, Timestamp};
use serde_json::{Map, Value};

/// Who asks. Made by `identity`, or [`Caller::anonymous`]; it carries no secret.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The `User` resource the token names, without secrets.
    pub user: Option<Arc<Map<String, Value>>>,
    /// The `Client` resource that authenticated, without secrets.
    pub client: Option<Arc<Map<String, Value>>>,
    /// The active `Role` resources of the user, ordered by id.
    pub roles: Vec<Arc<Map<String, Value>>>,
    /// The verified claims of a JWT.
    pub jwt: Option<Arc<Map<String, Value>>>,
    /// The answer of an RFC 7662 endpoint.
    pub token: Option<Arc<Map<String, Value>>>,
    /// What is known of the credential itself.
    pub session: Session,
}

/// What is known of a credential itself.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The introspector that vouches for the token.
    pub introspector: Option<Id>,
    /// `iss`.
    pub issuer: Option<String>,
    /// `scope`.
    pub scope: Option<String>,
    /// `exp`.
    pub expires_at: Option<Timestamp>,
    /// `jti`.
    pub token_id: Option<String>,
    /// Whether the introspector says that SMART scopes limit what the token may do.
    pub scopes_enforced: bool,
}

impl Session {
    /// What is known of a token with these claims; of an opaque one, with this answer.
    pub fn of_claims(claims: &Map<String, Value>) -> Self {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let expires_at = claims.get("exp").and_then(Value::as_i64);
        Self {
            issuer: text("iss"),
            scope: text("scope"),
            expires_at: expires_at.and_then(|at| Timestamp::from_second(at).ok()),
            token_id: text("jti"),
            ..Self::default()
        }
    }
}

impl Caller {
    /// Nobody in particular: a request without credentials.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Whether no credential was given.
    pub fn is_anonymous(&self) -> bool {
        self.user.is_none() && self.client.is_none() && self.jwt.is_none() && self.token.is_none()
    }

    /// The own `User`, as `User/id`.
    pub fn user_target(&self) -> Option<Target> {
        target("User", self.user_id()?)
    }

    /// The own `Client`, as `Client/id`.
    pub fn client_target(&self) -> Option<Target> {
        target("Client", self.client_id()?)
    }

    pub(crate) fn user_id(&self) -> Option<&str> {
        self.user.as_ref()?.get("id")?.as_str()
    }

    pub(crate) fn client_id(&self) -> Option<&str> {
        self.client.as_ref()?.get("id")?.as_str()
    }

    /// The names of the roles held, exactly as they stand.
    pub(crate) fn role_names(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().filter_map(|role| role.get("name")?.as_str())
    }
}

fn target(resource_type: &str, id: &str) -> Option<Target> {
    Some(Target::new(ResourceType::parse(resource_type)?, Id::parse(id)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_session_is_what_its_claims_say() {
        let claims = json!({"iss": "https://a", "scope": "x y", "exp": 60, "jti": "1", "sub": "s"});
        let session = Session::of_claims(claims.as_object().unwrap());
        assert_eq!(session.issuer.as_deref(), Some("https://a"));
        assert_eq!(session.scope.as_deref(), Some("x y"));
        assert_eq!(session.expires_at.map(Timestamp::as_second), Some(60));
        assert_eq!(session.token_id.as_deref(), Some("1"));
        assert!(session.introspector.is_none() && !session.scopes_enforced);
        let others = json!({"iss": 1, "scope": ["x"], "exp": "60", "jti": {}});
        let session = Session::of_claims(others.as_object().unwrap());
        let told = [session.issuer, session.scope, session.token_id];
        assert_eq!((told, session.expires_at), ([None, None, None], None));
    }

    #[test]
    fn a_user_and_a_client_of_one_id_are_two() {
        let named = |id: &str| json!({"id": id}).as_object().cloned().map(Arc::new);
        let user = Caller { user: named("x"), ..Caller::default() };
        let client = Caller { client: named("x"), ..Caller::default() };
        let told = |caller: &Caller| {
            [caller.user_target(), caller.client_target()].map(|it| it.map(|it| it.to_string()))
        };
        assert_eq!(told(&user), [Some("User/x".to_owned()), None]);
        assert_eq!(told(&client), [None, Some("Client/x".to_owned())]);
        assert_eq!(told(&Caller::anonymous()), [None, None]);
        let strange = Caller { user: named("../y"), ..Caller::default() };
        assert_eq!(told(&strange), [None, None]);
    }
}
