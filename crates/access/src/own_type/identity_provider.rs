//! What an IdentityProvider must look like: only its `system` is ever used.

use firewarden_fhir::Issue;
use serde_json::{Map, Value};

use super::shape::Shape;

/// Members of `client` by which other servers log in there. This one never does.
const CREDENTIALS: &[&str] = &["secret", "private-key", "private_key"];

pub(super) fn check(content: &Map<String, Value>) -> Vec<Issue> {
    let mut shape = Shape::of("IdentityProvider", content);
    shape.boolean("active");
    shape.text("system");
    if !content.contains_key("system") {
        let told = "without `system` no user is found by this provider: set it to the `system` \
                    that its subjects have in `User.identifier`";
        shape.doubt(told.into(), shape.at("system"));
    }
    // Its secrets are looked for in an object: in anything else they would stay readable.
    let client = shape.object("client");
    for name in CREDENTIALS {
        if client.is_some_and(|client| client.contains_key(*name)) {
            let told = format!("`client.{name}` is sealed and never used here: leave it out");
            shape.doubt(told, shape.at("client").member(name));
        }
    }
    shape.issues()
}
