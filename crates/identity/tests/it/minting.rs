//! Tokens made and shown by the command line.

use firewarden_identity::mint::{self, NotMinted, SigningKey};
use firewarden_identity::{Algorithm, Check, inspect};
use firewarden_testkit::key;
use serde_json::{Map, Value, json};

use crate::world::{SECRET, World, shared_claims};

fn members(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[tokio::test]
async fn a_minted_token_is_accepted() {
    let world = World::new().await;
    for algorithm in Algorithm::ALL {
        let (signing, header, claims) = if algorithm.is_symmetric() {
            let secret = SigningKey::from_secret(SECRET.as_bytes()).unwrap();
            (secret, json!({"typ": "JWT"}), shared_claims(json!({})))
        } else {
            let own = key(algorithm.name());
            let signing = SigningKey::from_pem(&own.private_pem()).unwrap();
            (signing, json!({"kid": own.id(), "alg": "none"}), world.claims(json!({})))
        };
        let token = mint::token(algorithm, &members(header), &members(claims), &signing).unwrap();
        assert_eq!(world.outcome(&token).await, "accepted", "{algorithm:?}");
    }
}

#[test]
fn a_key_signs_with_its_own_algorithms_only() {
    let secret = SigningKey::from_secret(b"secret").unwrap();
    let private = SigningKey::from_pem(&key("ES256").private_pem()).unwrap();
    for (signing, algorithm) in [
        (&secret, Algorithm::Rs256),
        (&secret, Algorithm::EdDsa),
        (&private, Algorithm::Hs256),
        (&private, Algorithm::Es384),
        (&private, Algorithm::Ps256),
        (&private, Algorithm::EdDsa),
    ] {
        let minted = mint::token(algorithm, &Map::new(), &Map::new(), signing);
        assert_eq!(minted, Err(NotMinted::WrongKey(algorithm)));
    }
    assert_eq!(SigningKey::from_secret(b"").unwrap_err(), NotMinted::SecretLength);
    for pem in ["", "secret", &key("ES256").public_pem()] {
        assert_eq!(SigningKey::from_pem(pem).unwrap_err(), NotMinted::NotAKeyFile);
    }
    assert_eq!(format!("{secret:?}"), "SigningKey::Secret");
}

#[test]
fn a_token_is_shown_without_being_believed() {
    let secret = SigningKey::from_secret(b"secret").unwrap();
    let claims = members(json!({"iss": "a", "n": 1.50}));
    let token = mint::token(Algorithm::Hs256, &Map::new(), &claims, &secret).unwrap();
    let decoded = inspect::decode(&token).unwrap();
    assert_eq!(decoded.header, members(json!({"alg": "HS256"})));
    assert_eq!(decoded.claims, claims);
    assert_eq!(inspect::decode("a.b"), Err(Check::Parts));
    assert_eq!(inspect::decode("e30.W10.e30"), Err(Check::Claims));
    assert_eq!(inspect::decode("e30.e30.%"), Err(Check::Encoding));
}
