//! Any answer of an introspection endpoint: only the JSON `true` is active.

#![no_main]

use firewarden_identity::{IntrospectionAnswer, read_answer};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &[u8]| {
    for status in [200, 400] {
        if let Ok(IntrospectionAnswer::Active(answer)) = read_answer(status, text) {
            assert_eq!(status, 200);
            assert_eq!(answer.get("active"), Some(&Value::Bool(true)));
        }
    }
});
