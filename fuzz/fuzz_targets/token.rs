//! Any text as a token: read or refused, and never verified by a key that did not sign it.

#![no_main]

use firewarden_identity::{Check, inspect, jws};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

/// The key of RFC 7515 appendix A.3, whose signatures no seed holds.
const JWK: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

fuzz_target!(|token: &str| {
    let jwk: Map<String, Value> = serde_json::from_str(JWK).expect("a key");
    let decoded = inspect::decode(token);
    let verified = jws::verify(token, &jwk);
    assert!(verified.is_err());
    if matches!(decoded, Err(Check::Length | Check::Parts)) {
        assert_eq!(decoded.err(), verified.err());
    }
});
