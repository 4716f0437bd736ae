//! The body of a version as it is served, in parts: all but what the writer alone knows.

use firewarden_fhir::{Target, Timestamp, Version, instant_text};
use serde_json::{Map, Value};

/// A body but for its `versionId` and `lastUpdated`, already JSON: the writer joins texts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BodyParts {
    /// Up to the version's digits.
    head: String,
    /// From the quotation mark after the time.
    tail: String,
}

impl BodyParts {
    /// The parts of a resource's body: `resourceType`, `id` and `meta` first, then the rest in the
    /// order it came in. The rest of `meta` is kept.
    pub(crate) fn of(target: &Target, content: &Map<String, Value>) -> Self {
        let mut tail = String::from("\"");
        let meta = content.get("meta").and_then(Value::as_object);
        for (name, value) in meta.into_iter().flatten() {
            if !matches!(name.as_str(), "versionId" | "lastUpdated") {
                put_member(&mut tail, name, value);
            }
        }
        tail.push('}');
        for (name, value) in content {
            if !matches!(name.as_str(), "resourceType" | "id" | "meta") {
                put_member(&mut tail, name, value);
            }
        }
        tail.push('}');
        Self { head: head(target), tail }
    }

    /// The parts of the same content in another resource.
    pub(crate) fn moved(self, target: &Target) -> Self {
        Self { head: head(target), tail: self.tail }
    }

    /// How many bytes they have.
    pub(crate) fn bytes(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// The whole body.
    pub(crate) fn join(&self, version: Version, updated: Timestamp) -> String {
        format!(r#"{}{version}","lastUpdated":"{}{}"#, self.head, instant_text(updated), self.tail)
    }
}

fn head(target: &Target) -> String {
    // A type's name and an id need no escapes.
    format!(
        r#"{{"resourceType":"{}","id":"{}","meta":{{"versionId":""#,
        target.resource_type, target.id
    )
}

fn put_member(json: &mut String, name: &str, value: &Value) {
    json.push(',');
    json.push_str(&Value::from(name).to_string());
    json.push(':');
    json.push_str(&value.to_string());
}

#[cfg(test)]
mod tests {
    use firewarden_fhir::{Id, ResourceType};

    use super::*;

    #[test]
    fn the_store_sets_id_and_versioning_and_keeps_the_rest() {
        let target = Target::new(ResourceType::parse("Patient").unwrap(), Id::parse("p1").unwrap());
        let updated = Timestamp::from_millisecond(1_600_000_000_123).unwrap();
        for (content, body) in [
            (
                r#"{"active":true,"id":"sent","resourceType":"Patient"}"#,
                r#"{"resourceType":"Patient","id":"p1","meta":{"versionId":"3","lastUpdated":"2020-09-13T12:26:40.123Z"},"active":true}"#,
            ),
            (
                r#"{"meta":{"tag":[{"code":"a\"b"}],"versionId":"9","profile":["u"]},"n":1.00}"#,
                r#"{"resourceType":"Patient","id":"p1","meta":{"versionId":"3","lastUpdated":"2020-09-13T12:26:40.123Z","tag":[{"code":"a\"b"}],"profile":["u"]},"n":1.00}"#,
            ),
        ] {
            let content = firewarden_fhir::json::parse(content.as_bytes()).unwrap();
            let parts = BodyParts::of(&target, content.as_object().unwrap());
            assert_eq!(parts.join(Version(3), updated), body);
        }
    }
}
