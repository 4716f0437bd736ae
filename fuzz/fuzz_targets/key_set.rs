//! Any bytes as a JSON Web Key Set: a bounded number of keys, or none.

#![no_main]

use firewarden_identity::{inspect, limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|key_set: &[u8]| {
    assert!(inspect::usable_keys(key_set) <= limits::KEY_SET_KEYS_MAX);
});
