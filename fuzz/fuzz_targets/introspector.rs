//! Any JSON object as a `TokenIntrospector`: warnings, or errors that name their places.

#![no_main]

use firewarden_identity::{OutboundAllow, check_introspector};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fuzz_target!(|text: &[u8]| {
    let Ok(content) = serde_json::from_slice::<Map<String, Value>>(text) else {
        return;
    };
    if let Err(errors) = check_introspector(&content, &OutboundAllow::default()) {
        assert!(!errors.is_empty());
        assert!(errors.iter().all(|error| error.expression.is_some()));
    }
});
