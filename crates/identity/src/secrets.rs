//! Which elements of our own types are secrets.

use std::sync::Arc;

use serde_json::Value;

use crate::directory::Content;

/// The JSON Pointers of the secrets of our own types; `*` stands for every index of a list. They
/// are sealed at rest, and shown as [`MASK`] everywhere else.
pub const SECRET_POINTERS: &[(&str, &[&str])] = &[
    (
        "TokenIntrospector",
        &[
            "/jwt/secret",
            "/jwt/keys/*/k",
            "/jwt/keys/*/k/k",
            "/introspection_endpoint/authorization",
        ],
    ),
    ("Client", &["/secret"]),
    ("IdentityProvider", &["/client/secret", "/client/private-key", "/client/private_key"]),
    ("Session", &["/token"]),
    ("User", &["/password"]),
];

/// What stands in a secret's place.
pub const MASK: &str = "***";

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
