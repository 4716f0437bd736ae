//! Takes the secrets out of our own types.

use std::sync::Arc;

pub use firewarden_access::own_type::{MASK, SECRET_POINTERS};
use serde_json::Value;

use crate::directory::Content;

/// The content without its secrets; the masks go too.
pub(crate) fn without_secrets(resource_type: &str, content: Content) -> Content {
    let pointers = SECRET_POINTERS.iter().find(|(name, _)| *name == resource_type);
    let present = |pointer: &&str| content.contains_key(pointer.trim_start_matches('/'));
    let Some((_, pointers)) = pointers.filter(|(_, pointers)| pointers.iter().any(present)) else {
        return content;
    };
    let mut clean = Arc::unwrap_or_clone(content);
    clean.retain(|name, _: &mut Value| {
        !pointers.iter().any(|pointer| pointer.strip_prefix('/') == Some(name))
    });
    Arc::new(clean)
}
