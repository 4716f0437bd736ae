//! What a Client must look like.

use firewarden_fhir::Issue;
use serde_json::{Map, Value};

use super::shape::Shape;
use crate::limits::SESSION_TOKEN_S_MAX;

/// The grant types that a client can authenticate by.
const SERVED: &[&str] = &["basic", "client_credentials"];

/// How other servers mark a secret that is stored as a hash of theirs.
const FOREIGN_HASH: &str = "$s0$";

pub(super) fn check(content: &Map<String, Value>) -> Vec<Issue> {
    let mut shape = Shape::of("Client", content);
    shape.boolean("active");
    if shape.text("secret").is_some_and(|secret| secret.starts_with(FOREIGN_HASH)) {
        let told = "a hash of another server's is no secret here: the client cannot authenticate \
                    until it gets a new one";
        shape.doubt(told.into(), shape.at("secret"));
    }
    for (index, grant) in shape.texts("grant_types") {
        if !SERVED.contains(&grant) {
            let told = format!("`{grant}` is not served: the client cannot authenticate by it");
            shape.doubt(told, shape.at("grant_types").item(index));
        }
    }
    if let Some(life) = content.get("access_token_expiration") {
        match life.as_u64() {
            None | Some(0) => {
                let told = "`access_token_expiration` is a whole number of seconds from 1 up";
                shape.refuse("value", told.into(), shape.at("access_token_expiration"));
            }
            Some(life_s) if life_s > SESSION_TOKEN_S_MAX => {
                let told = format!("tokens live for {SESSION_TOKEN_S_MAX} seconds at most");
                shape.doubt(told, shape.at("access_token_expiration"));
            }
            Some(_) => {}
        }
    }
    shape.texts("allowedIssuers");
    shape.texts("scopes");
    shape.issues()
}
