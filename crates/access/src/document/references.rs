//! References as policies see them: `resourceType` and `id` derived from `reference`, never sent.

use firewarden_fhir::{Reference, ResourceType};
use serde_json::{Map, Value, json};

/// Shapes an incoming resource. FHIR ignores an `id` or `resourceType` beside or instead of
/// `reference`, so none may satisfy a policy: in a resource of FHIR's, no element keeps one. In
/// one of our own types they are another way to write a reference, and stay.
pub(super) fn of_sent_resource(resource: &mut Value, of: ResourceType, base_url: &str) {
    Shape { base_url, keeps_sent: of.is_own() }.resource(resource);
}

/// Shapes a stored resource of FHIR's types, as [`of_sent_resource`] does an incoming one.
pub(crate) fn of_fhir_resource(resource: &mut Value, base_url: &str) {
    Shape { base_url, keeps_sent: false }.resource(resource);
}

/// Shapes a stored resource of one of our own types.
pub(super) fn of_stored_resource(resource: &mut Value, base_url: &str) {
    Shape { base_url, keeps_sent: true }.resource(resource);
}

/// The reference to a resource of ours.
pub(super) fn to(resource_type: &str, id: &str) -> Value {
    let mut reference = json!({"reference": format!("{resource_type}/{id}")});
    Shape { base_url: "", keeps_sent: false }.element(&mut reference);
    reference
}

struct Shape<'a> {
    base_url: &'a str,
    /// Whether an `id` or `resourceType` that was sent instead of `reference` stays.
    keeps_sent: bool,
}

impl Shape<'_> {
    /// A resource has its own type and id, whatever members it has; so do the resources in it.
    fn resource(&self, resource: &mut Value) {
        let Some(members) = resource.as_object_mut() else { return };
        let holders = match members.get("resourceType").and_then(Value::as_str) {
            Some("Bundle") => Some("entry"),
            Some("Parameters") => Some("parameter"),
            _ => None,
        };
        for (name, value) in members {
            if name == "contained" {
                self.each(value, Self::resource);
            } else if Some(name.as_str()) == holders {
                self.each(value, Self::holder);
            } else {
                self.element(value);
            }
        }
    }

    /// An entry of a Bundle or a parameter of Parameters, which hold resources.
    fn holder(&self, holder: &mut Value) {
        let Some(members) = holder.as_object_mut() else { return };
        self.identify(members);
        for (name, value) in members {
            match name.as_str() {
                "resource" | "outcome" => self.resource(value),
                "part" | "response" => self.each(value, Self::holder),
                _ => self.element(value),
            }
        }
    }

    fn element(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                self.identify(members);
                for member in members.values_mut() {
                    self.element(member);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.element(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn each(&self, value: &mut Value, shape: fn(&Self, &mut Value)) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| shape(self, item)),
            Value::Object(_) => shape(self, value),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Drops the type and id that an element was sent with, and gives a reference those of what
    /// it points at.
    fn identify(&self, members: &mut Map<String, Value>) {
        let reference = members.get("reference").and_then(Value::as_str);
        if reference.is_none() && self.keeps_sent {
            return;
        }
        let read = reference.and_then(|text| Reference::parse(text, self.base_url));
        members.shift_remove("resourceType");
        members.shift_remove("id");
        if let Some(Reference::Local { target, .. }) = read {
            members.insert("resourceType".into(), target.resource_type.name().into());
            members.insert("id".into(), target.id.as_str().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASE: &str = "https://fw.example/fhir";

    fn shaped(of: &str, mut resource: Value) -> Value {
        of_sent_resource(&mut resource, ResourceType::parse(of).unwrap(), BASE);
        resource
    }

    #[test]
    fn a_local_reference_carries_what_it_points_at_and_another_carries_nothing() {
        for (text, resource_type, id) in [
            ("Patient/1", "Patient", "1"),
            ("Patient/1/_history/3", "Patient", "1"),
            ("https://fw.example/fhir/Patient/1", "Patient", "1"),
            ("User/a", "User", "a"),
        ] {
            let sent = json!({"subject": {"reference": text, "id": "Z", "resourceType": "Group"}});
            let seen =
                json!({"subject": {"reference": text, "resourceType": resource_type, "id": id}});
            assert_eq!(shaped("Observation", sent), seen, "{text}");
        }
        for text in [
            "https://other.example/fhir/Patient/1",
            "https://fw.example/fhirPatient/1",
            "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
            "#p",
            "Patient",
            "patient/1",
            "",
        ] {
            let sent =
                json!({"subject": {"reference": text, "id": "Z", "resourceType": "Patient"}});
            assert_eq!(
                shaped("Observation", sent),
                json!({"subject": {"reference": text}}),
                "{text}"
            );
        }
    }

    #[test]
    fn an_id_that_was_sent_instead_of_a_reference_is_dropped() {
        for sent in [
            json!({"subject": {"id": "Z"}}),
            json!({"subject": {"id": "Z", "resourceType": "Patient"}}),
            json!({"subject": {"id": "Z", "identifier": {"value": "v"}}}),
            json!({"subject": {"id": "Z", "reference": ["Patient/1"]}}),
            json!({"extension": [{"valueReference": {"id": "Z", "resourceType": "Patient"}}]}),
        ] {
            let seen = shaped("Observation", sent.clone());
            assert!(!seen.to_string().contains('Z'), "{sent} became {seen}");
        }
    }

    #[test]
    fn resources_keep_their_own_type_and_id() {
        let patient = json!({"resourceType": "Patient", "id": "p"});
        for (of, sent) in [
            ("Patient", patient.clone()),
            (
                "Observation",
                json!({"resourceType": "Observation", "id": "o", "contained": [patient]}),
            ),
            ("Bundle", json!({"resourceType": "Bundle", "entry": [{"resource": patient}]})),
            (
                "Bundle",
                json!({"resourceType": "Bundle", "entry": [{"response": {"outcome": patient}}]}),
            ),
            (
                "Parameters",
                json!({"resourceType": "Parameters", "parameter": [{"part": [{"resource": patient}]}]}),
            ),
        ] {
            assert_eq!(shaped(of, sent.clone()), sent);
        }
    }

    #[test]
    fn nothing_but_a_resource_at_a_resources_place_keeps_them() {
        let fake = json!({"resourceType": "Patient", "id": "Z"});
        for (of, sent) in [
            ("Observation", json!({"subject": {"contained": [fake]}})),
            ("Observation", json!({"subject": {"resource": fake, "id": "Z"}})),
            ("Observation", json!({"resourceType": "Observation", "entry": [{"resource": fake}]})),
            (
                "Bundle",
                json!({"resourceType": "Bundle", "entry": [{"link": [{"resource": fake}], "id": "Z"}]}),
            ),
        ] {
            let seen = shaped(of, sent);
            assert!(!seen.to_string().contains('Z'), "{seen}");
        }
    }

    #[test]
    fn a_resource_is_no_reference_whatever_members_it_has() {
        for of in ["Patient", "User"] {
            let sent = json!({"resourceType": of, "id": "x", "reference": "Patient/1"});
            assert_eq!(shaped(of, sent.clone()), sent);
            let mut stored = sent.clone();
            of_stored_resource(&mut stored, BASE);
            assert_eq!(stored, sent);
        }
    }

    /// Every element below the root that has an id or a type, with its reference.
    fn identified(value: &Value, found: &mut Vec<Value>) {
        let inner: Vec<&Value> = match value {
            Value::Object(members) => members.values().collect(),
            Value::Array(items) => items.iter().collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        };
        for inner in inner {
            if inner.get("id").is_some() || inner.get("resourceType").is_some() {
                found.push(inner.clone());
            }
            identified(inner, found);
        }
    }

    fn any_element() -> impl Strategy<Value = Value> {
        let leaf = prop::sample::select(vec!["Patient/1", "Group/2/_history/1", "Z", "#p", ""]);
        leaf.prop_map(Value::from).prop_recursive(5, 40, 4, |inner| {
            let names = vec!["id", "resourceType", "reference", "subject", "entry", "resource"];
            let members = prop::collection::vec((prop::sample::select(names), inner.clone()), 0..5);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::from),
                members.prop_map(|members| {
                    let members = members.into_iter();
                    Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_an_element_is_identified_by_is_what_it_refers_to(subject in any_element()) {
            let seen = shaped("Observation", json!({"subject": subject}));
            let mut found = Vec::new();
            identified(&seen, &mut found);
            for element in found {
                let text = element["reference"].as_str().unwrap();
                let Some(Reference::Local { target, .. }) = Reference::parse(text, BASE) else {
                    panic!("{element}");
                };
                prop_assert_eq!(&element["resourceType"], target.resource_type.name());
                prop_assert_eq!(&element["id"], target.id.as_str());
            }
        }
    }

    #[test]
    fn our_own_types_keep_the_other_way_to_write_a_reference() {
        let sent = json!({"link": [{"resourceType": "User", "id": "a"}, {"reference": "User/b"}]});
        let seen = json!({"link": [
            {"resourceType": "User", "id": "a"},
            {"reference": "User/b", "resourceType": "User", "id": "b"},
        ]});
        assert_eq!(shaped("AccessPolicy", sent), seen);
    }
}
