//! A resource: checked JSON of a known type.

use serde_json::{Map, Value};

use crate::{Id, ResourceType};

/// A resource's type and content. There are no generated structs: an element is read where a rule
/// needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its type.
    pub resource_type: ResourceType,
    /// Its members, `resourceType` included, in the order they came in.
    pub content: Map<String, Value>,
}

impl Resource {
    /// The `id` that the content carries, if it is one.
    pub fn id(&self) -> Option<Id> {
        self.content.get("id").and_then(Value::as_str).and_then(Id::parse)
    }
}
