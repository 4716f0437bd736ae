//! What an operator is told when an introspector is saved.

use firewarden_fhir::{Id, Severity, Version};
use firewarden_identity::{
    Introspector, OutboundAllow, check_introspector, conflicts, moved_credential, needs_binding,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::world::{SECRET, merged, read, shared};

/// Each issue as `severity code expression`.
fn issues(content: &Value) -> Vec<String> {
    let checked = check_introspector(content.as_object().unwrap(), &OutboundAllow::default());
    let issues = checked.unwrap_or_else(|errors| errors);
    issues
        .iter()
        .map(|issue| {
            let place = issue.expression.as_deref().unwrap_or("-");
            let place = place.trim_start_matches("TokenIntrospector.");
            format!("{} {} {place}", issue.severity.code(), issue.code)
        })
        .collect()
}

fn remote(more: Value) -> Value {
    let remote = json!({
        "type": "jwt",
        "jwt": {"iss": "https://idp.example.com", "aud": "fhir"},
        "jwks_uri": "https://idp.example.com/jwks",
    });
    merged(remote, more)
}

#[test]
fn a_sound_introspector_is_saved_in_silence() {
    let full = json!({
        "resourceType": "TokenIntrospector", "id": "a", "meta": {}, "active": true,
        "cache_ttl": 60, "scopes": "ignore", "user": {"claim": "email", "match": "id"},
        "jwt": {
            "typ": "at+jwt", "algorithms": ["RS256"], "leeway": 120, "max_age": 3600,
            "required_claims": ["azp"], "aud": ["a", "b"],
        },
    });
    assert_eq!(issues(&remote(full)), [""; 0]);
    assert_eq!(issues(&remote(json!({}))), [""; 0]);
    assert_eq!(issues(&shared(json!({"jwt": {"aud": "fhir"}}))), [""; 0]);
    assert_eq!(issues(&shared(json!({"jwt": {"aud": "fhir", "secret": "***"}}))), [""; 0]);
}

#[test]
fn what_is_weak_is_saved_with_a_warning() {
    let unnamed = remote(json!({"jwt": {"aud": "(absent)"}}));
    assert_eq!(issues(&unnamed), ["warning security jwt.aud"]);
    let short = shared(json!({"jwt": {"aud": "fhir", "secret": "very-secret"}}));
    assert_eq!(issues(&short), ["warning security jwt.secret"]);
}

#[test]
fn what_cannot_be_done_is_refused() {
    for (more, expected) in [
        (json!({"type": "(absent)"}), "error required type"),
        (json!({"type": "aspxauth"}), "error not-supported type"),
        (json!({"type": "JWT"}), "error value type"),
        (json!({"type": 1}), "error value type"),
        (json!({"active": "yes"}), "error value active"),
        (json!({"jwt": {"iss": "(absent)"}}), "error required jwt.iss"),
        (json!({"jwt": {"iss": ""}}), "error value jwt.iss"),
        (json!({"jwt": {"iss": ["a"]}}), "error value jwt.iss"),
        (json!({"jwt": {"aud": []}}), "error value jwt.aud"),
        (json!({"jwt": {"aud": [""]}}), "error value jwt.aud"),
        (json!({"jwt": {"aud": 1}}), "error value jwt.aud"),
        (json!({"jwt": {"aud": vec!["a"; 33]}}), "error value jwt.aud"),
        (json!({"jwt": {"typ": 1}}), "error value jwt.typ"),
        (json!({"jwt": {"leeway": 121}}), "error value jwt.leeway"),
        (json!({"jwt": {"leeway": -1}}), "error value jwt.leeway"),
        (json!({"jwt": {"leeway": "1"}}), "error value jwt.leeway"),
        (json!({"jwt": {"max_age": 0}}), "error value jwt.max_age"),
        (json!({"jwt": {"required_claims": {"a": 1}}}), "error value jwt.required_claims"),
        (json!({"jwt": {"algorithms": []}}), "error value jwt.algorithms"),
        (json!({"jwt": {"algorithms": ["HS256"]}}), "error value jwt.algorithms"),
        (json!({"jwt": {"algorithms": ["none"]}}), "error value jwt.algorithms"),
        (json!({"jwt": {"issuer": "a"}}), "error structure jwt.issuer"),
        (json!({"cache_ttl": 0}), "error value cache_ttl"),
        (json!({"cache_ttl": 86_401}), "error value cache_ttl"),
        (json!({"cache_ttl": 1.5}), "error value cache_ttl"),
        (json!({"scopes": "all"}), "error value scopes"),
        (json!({"user": []}), "error value user"),
        (json!({"user": {"match": "email"}}), "error value user.match"),
        (json!({"user": {"create": "yes"}}), "error value user.create"),
        (json!({"client": {"claim": ""}}), "error value client.claim"),
        (json!({"client": {"claim": ["azp"]}}), "error value client.claim"),
        (json!({"client": "azp"}), "error value client"),
        (json!({"client": {"id": "a"}}), "error structure client.id"),
        (json!({"identity_provider": {"id": "a"}}), "error value identity_provider"),
        (json!({"identity_provider": "IdentityProvider/a"}), "error value identity_provider"),
        (json!({"identity_provider": {"reference": "User/a"}}), "error value identity_provider"),
        (json!({"jwks_url": "https://a"}), "error structure jwks_url"),
        (json!({"jwks_uri": "(absent)"}), "error required jwt.secret"),
        (json!({"jwks_uri": 1}), "error value jwks_uri"),
        (json!({"jwks_uri": "http://idp.example.com/jwks"}), "error value jwks_uri"),
        (json!({"jwks_uri": "file:///etc/passwd"}), "error value jwks_uri"),
        (json!({"jwks_uri": "https://127.0.0.1/jwks"}), "error value jwks_uri"),
        (json!({"jwt": {"secret": SECRET}}), "error invariant jwks_uri"),
        (json!({"jwt": {"keys": []}}), "error invariant jwt.keys"),
        (json!({"discovery": true}), "error invariant discovery"),
        (json!({"discovery": "yes", "jwks_uri": "(absent)"}), "error value discovery"),
        (json!({"discovery": false, "jwks_uri": "(absent)"}), "error required jwt.secret"),
    ] {
        assert_eq!(issues(&remote(more.clone())), [expected], "{more}");
    }
    for (more, expected) in [
        (json!({"secret": ""}), "error value jwt.secret"),
        (json!({"secret": 1}), "error value jwt.secret"),
        (json!({"secret": "x".repeat(4_097)}), "error value jwt.secret"),
        (json!({"algorithms": ["RS256"]}), "error value jwt.algorithms"),
    ] {
        assert_eq!(issues(&shared(json!({"jwt": more.clone()}))), [expected], "{more}");
    }
}

fn opaque(more: Value) -> Value {
    let opaque = json!({
        "type": "opaque",
        "cache_ttl": 60,
        "jwt": {"aud": "fhir"},
        "introspection_endpoint": {
            "url": "https://idp.example.com/introspect", "authorization": "Basic YTpi",
        },
    });
    merged(opaque, more)
}

#[test]
fn an_introspector_of_opaque_tokens_names_an_endpoint_and_nothing_of_keys() {
    assert_eq!(issues(&opaque(json!({}))), [""; 0]);
    let issuer = json!({"jwt": {"iss": "https://idp.example.com"}, "client": {"claim": "azp"},
        "user": {"create": true, "claim": "username"}});
    assert_eq!(issues(&opaque(issuer)), [""; 0]);
    let masked = json!({"introspection_endpoint": {"authorization": "***"}});
    assert_eq!(issues(&opaque(masked)), [""; 0]);
    let at = |name: &str, value: Value| json!({"introspection_endpoint": {name: value}});
    let url = "introspection_endpoint.url";
    let authorization = "introspection_endpoint.authorization";
    for (more, expected) in [
        (json!({"cache_ttl": 61}), "warning security cache_ttl".to_owned()),
        (json!({"cache_ttl": "(absent)"}), "warning security cache_ttl".to_owned()),
        (json!({"jwt": {"aud": "(absent)"}}), "warning security jwt.aud".to_owned()),
        (json!({"introspection_endpoint": []}), "error value introspection_endpoint".to_owned()),
        (at("url", json!("(absent)")), format!("error required {url}")),
        (at("url", json!("http://idp.example.com")), format!("error value {url}")),
        (at("url", json!("https://169.254.169.254/")), format!("error value {url}")),
        (at("url", json!("https://a:b@idp.example.com/")), format!("error value {url}")),
        (at("authorization", json!("(absent)")), format!("error required {authorization}")),
        (at("authorization", json!("")), format!("error value {authorization}")),
        (at("authorization", json!("a\r\nHost: b")), format!("error value {authorization}")),
        (at("authorization", json!("a".repeat(4_097))), format!("error value {authorization}")),
        (at("uri", json!("https://a")), "error structure introspection_endpoint.uri".to_owned()),
        (json!({"jwt": {"secret": SECRET}}), "error invariant jwt.secret".to_owned()),
        (json!({"jwt": {"typ": "JWT"}}), "error invariant jwt.typ".to_owned()),
        (json!({"jwt": {"algorithms": "RS256"}}), "error invariant jwt.algorithms".to_owned()),
        (
            json!({"jwks_uri": "https://idp.example.com/jwks"}),
            "error invariant jwks_uri".to_owned(),
        ),
        (json!({"client": {"claim": "azp"}}), "error required jwt.iss".to_owned()),
        (json!({"user": {"create": true}}), "error required jwt.iss".to_owned()),
    ] {
        let found = issues(&opaque(more.clone()));
        assert!(found.contains(&expected), "{more}: {found:?}");
    }
    let beside_keys = remote(json!({"introspection_endpoint": {"url": "https://a"}}));
    assert_eq!(issues(&beside_keys), ["error invariant introspection_endpoint"]);
}

#[test]
fn a_credential_is_not_sent_to_another_server_than_it_was_set_for() {
    let id = Id::parse("a").unwrap();
    let secrets = [(
        "/introspection_endpoint/authorization".to_owned(),
        Zeroizing::new(b"Basic CANARY".to_vec()),
    )];
    let masked =
        |url: &str| opaque(json!({"introspection_endpoint": {"url": url, "authorization": "***"}}));
    let content = masked("https://idp.example.com/introspect");
    let content = content.as_object().unwrap();
    let outbound = OutboundAllow::default();
    let stored = Introspector::parse(&id, Version(1), content, &secrets, &outbound).unwrap();
    assert!(Introspector::parse(&id, Version(1), content, &[], &outbound).is_err());
    for (url, kept) in [
        ("https://idp.example.com/introspect", true),
        ("https://IDP.example.com:443/other?a=b", true),
        ("https://idp.example.com:8443/introspect", false),
        ("https://idp.example.com.evil.com/introspect", false),
        ("https://evil.com/idp.example.com", false),
    ] {
        let content = masked(url);
        let moved = moved_credential(content.as_object().unwrap(), &stored);
        assert_eq!(moved.is_none(), kept, "{url}");
        let set = merged(content, json!({"introspection_endpoint": {"authorization": "new"}}));
        assert!(moved_credential(set.as_object().unwrap(), &stored).is_none(), "{url}");
    }
}

#[test]
fn every_fault_is_told_at_once_and_no_secret_with_it() {
    let content = json!({
        "type": "jwt", "jwt": {"secret": "CANARY", "leeway": 500}, "discovery": true, "x": "CANARY",
    });
    let errors =
        check_introspector(content.as_object().unwrap(), &OutboundAllow::default()).unwrap_err();
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert!(errors.iter().all(|issue| issue.severity == Severity::Error));
    assert!(!format!("{errors:?}").contains("CANARY"));
}

#[test]
fn a_stored_secret_stands_behind_its_mask() {
    let id = Id::parse("shared").unwrap();
    let content = shared(json!({"jwt": {"secret": "***"}}));
    let read = |secrets: &[(String, Zeroizing<Vec<u8>>)]| {
        let content = content.as_object().unwrap();
        Introspector::parse(&id, Version(1), content, secrets, &OutboundAllow::default())
    };
    assert!(read(&[]).is_err(), "a mask is no secret");
    assert!(read(&[("/jwt/secret".into(), Zeroizing::new(Vec::new()))]).is_err());
    let secrets = [("/jwt/secret".into(), Zeroizing::new(b"CANARY".to_vec()))];
    let introspector = read(&secrets).unwrap();
    assert!(!format!("{introspector:?}").contains("CANARY"));
}

#[test]
fn an_issuer_has_one_active_introspector() {
    let stored = read(&shared(json!({})), 1);
    let existing = [&stored];
    let id = |text: &str| Id::parse(text).unwrap();
    let conflict = |new: &str, content: &Value| {
        conflicts(&id(new), content.as_object().unwrap(), &existing, 7)
    };
    let twin = shared(json!({}));
    assert_eq!(conflict("twin", &twin).unwrap_err().code, "conflict");
    assert_eq!(conflict("twin", &shared(json!({"active": false}))).unwrap(), []);
    assert_eq!(conflict("shared", &twin).unwrap(), [], "its own stored version is no conflict");
    let warnings = conflict("second", &remote(json!({}))).unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].diagnostics.contains("7 User(s)"), "{warnings:?}");
    let inactive = read(&shared(json!({"active": false})), 1);
    let alone = remote(json!({}));
    assert_eq!(conflicts(&id("a"), alone.as_object().unwrap(), &[&inactive], 7).unwrap(), []);
}

#[test]
fn a_user_without_any_binding_needs_one() {
    let introspectors = [read(&shared(json!({})), 1)];
    for (user, expected) in [
        (json!({}), true),
        (json!({"introspector": {"reference": "TokenIntrospector/shared"}}), false),
        (json!({"introspector": {"reference": "TokenIntrospector/gone"}}), true),
        (json!({"identifier": [{"system": "https://shared.example.com", "value": "1"}]}), false),
        (json!({"data": {"iss": "https://shared.example.com"}}), false),
        (json!({"data": {"iss": "https://else.example.com"}}), true),
    ] {
        assert_eq!(needs_binding(user.as_object().unwrap(), &introspectors), expected, "{user}");
    }
}
