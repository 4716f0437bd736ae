//! Replays the corpora of the fuzz targets, with what the targets hold.

use std::path::Path;

use firewarden_identity::{
    Check, IntrospectionAnswer, OutboundAllow, check_introspector, inspect, jws, limits,
    read_answer,
};
use serde_json::{Map, Value, json};

/// The seeds of a target, each with its name.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let seeds: Vec<_> =
        paths.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect();
    assert!(seeds.len() > 5, "{target} has seeds");
    seeds
}

#[test]
fn every_token_of_the_corpus_is_refused() {
    let jwk = json!({
        "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    for (name, seed) in seeds("token") {
        let token = std::str::from_utf8(&seed).unwrap();
        let decoded = inspect::decode(token);
        let verified = jws::verify(token, jwk.as_object().unwrap());
        assert!(verified.is_err(), "{name}");
        if matches!(decoded, Err(Check::Length | Check::Parts)) {
            assert_eq!(decoded.err(), verified.err(), "{name}");
        }
    }
}

#[test]
fn every_key_set_of_the_corpus_has_a_bounded_number_of_keys() {
    for (name, seed) in seeds("key_set") {
        let keys = inspect::usable_keys(&seed);
        assert!(keys <= limits::KEY_SET_KEYS_MAX, "{name}");
        let expected = match Path::new(&name).file_name().unwrap().to_str().unwrap() {
            "three" => 3,
            "same_id" => 2,
            _ => 0,
        };
        assert_eq!(keys, expected, "{name}");
    }
}

#[test]
fn of_the_answers_of_the_corpus_only_true_is_active() {
    for (name, seed) in seeds("introspection_answer") {
        let read = read_answer(200, &seed);
        let active = matches!(read, Ok(IntrospectionAnswer::Active(_)));
        assert_eq!(active, name.ends_with("/active"), "{name}");
        let refused = read_answer(400, &seed);
        assert!(!matches!(refused, Ok(IntrospectionAnswer::Active(_))), "{name}");
    }
}

#[test]
fn every_introspector_of_the_corpus_is_judged_with_its_places() {
    for (name, seed) in seeds("introspector") {
        let content: Map<String, Value> = serde_json::from_slice(&seed).unwrap();
        let checked = check_introspector(&content, &OutboundAllow::default());
        for error in checked.err().into_iter().flatten() {
            assert!(error.expression.is_some(), "{name}: {error:?}");
        }
    }
}
