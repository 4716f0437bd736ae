//! What a Role must look like.

use firewarden_fhir::Issue;
use serde_json::{Map, Value};

use super::shape::Shape;

pub(super) fn check(content: &Map<String, Value>) -> Vec<Issue> {
    let mut shape = Shape::of("Role", content);
    shape.required("name");
    shape.text("name");
    shape.required("user");
    shape.reference("user", "User");
    shape.boolean("active");
    shape.issues()
}
