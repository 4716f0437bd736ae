//! The pack says what FHIR R4 says.

use super::*;

fn resource_type(name: &str) -> ResourceType {
    ResourceType::parse(name).unwrap()
}

fn parameter(of: &str, code: &str) -> Option<&'static SearchParameter> {
    Definitions::get().search_parameter(resource_type(of), code)
}

fn targets(of: &str, code: &str) -> String {
    let targets = &parameter(of, code).unwrap().targets;
    targets.iter().map(|target| target.name()).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_types_are_r4s_146_and_our_own() {
    let (own, fhir): (Vec<_>, Vec<_>) = ResourceType::all().partition(|t| t.is_own());
    assert_eq!((fhir.len(), own.len()), (146, 8));
    for resource_type in ResourceType::all() {
        let shape = Definitions::get().elements().named(resource_type.name()).unwrap();
        assert!(shape.member("meta").is_some(), "{resource_type}");
    }
}

#[test]
fn every_search_parameter_of_r4_is_there() {
    let urls: std::collections::BTreeSet<_> = ResourceType::all()
        .flat_map(|t| Definitions::get().search_parameters(t))
        .map(|p| &p.url)
        .collect();
    let own = urls.iter().filter(|url| url.starts_with("urn:firewarden:")).count();
    assert_eq!((urls.len() - own, own), (1_370, 18));
    for (of, count) in [("Patient", 27), ("Observation", 42), ("Binary", 4), ("User", 8)] {
        let parameters = Definitions::get().search_parameters(resource_type(of));
        assert_eq!(parameters.len(), count, "{of}: {parameters:?}");
    }
}

#[test]
fn a_code_names_one_parameter_of_a_type() {
    for of in ResourceType::all() {
        let codes = Definitions::get().search_parameters(of).iter().map(|p| &p.code);
        assert!(codes.is_sorted_by(|a, b| a < b), "{of}");
    }
}

#[test]
fn every_type_has_the_parameters_of_all_types_but_the_servers_own() {
    for of in ResourceType::all() {
        for (code, expression) in [
            ("_profile", "Resource.meta.profile"),
            ("_security", "Resource.meta.security"),
            ("_source", "Resource.meta.source"),
            ("_tag", "Resource.meta.tag"),
        ] {
            let parameter = Definitions::get().search_parameter(of, code).unwrap();
            assert_eq!((parameter.resource_type, &*parameter.expression), (of, expression));
        }
        for code in ["_id", "_lastUpdated", "_text", "_content", "_query", "_filter", "_has"] {
            assert_eq!(Definitions::get().search_parameter(of, code), None, "{of}?{code}");
        }
    }
}

#[test]
fn an_expression_keeps_the_part_of_its_type() {
    for (of, code, kind, expression) in [
        ("Patient", "name", ParameterType::String, "Patient.name"),
        ("Observation", "code", ParameterType::Token, "Observation.code"),
        (
            "Observation",
            "patient",
            ParameterType::Reference,
            "Observation.subject.where(resolve() is Patient)",
        ),
        ("InsurancePlan", "name", ParameterType::String, "name | alias"),
        ("User", "sub", ParameterType::Token, "User.data.sub"),
    ] {
        let parameter = parameter(of, code).unwrap();
        assert_eq!((parameter.kind, &*parameter.expression), (kind, expression));
    }
}

/// Places where packages made from R4 are known to differ from the specification.
#[test]
fn the_text_is_the_specifications_own() {
    assert_eq!(parameter("DetectedIssue", "status"), None);
    assert_eq!(parameter("DeviceDefinition", "classification"), None);
    assert_eq!(parameter("ServiceRequest", "order-detail"), None);
    assert_eq!(targets("Observation", "patient"), "Group Patient");
    assert_eq!(
        targets("MeasureReport", "subject"),
        "Device Group Location Patient Practitioner PractitionerRole RelatedPerson"
    );
    let elements = Definitions::get().elements();
    let outcome = elements.named("Bundle.entry.response").unwrap().member("outcome").unwrap();
    assert_eq!(elements.type_name(outcome.2), "Resource");
    assert!(elements.named("Meta").unwrap().member("project").is_none());
    assert!(elements.named("EvidenceVariable.characteristic").unwrap().member("note").is_none());
    assert!(ResourceType::parse("SubscriptionStatus").is_none());
}

#[test]
fn a_secret_is_no_search_parameter() {
    for of in ResourceType::all().filter(|t| t.is_own()) {
        for parameter in Definitions::get().search_parameters(of) {
            for secret in ["secret", "password", "keys", "authorization", "endpoint"] {
                assert!(!parameter.expression.contains(secret), "{parameter:?}");
            }
        }
    }
}

#[test]
fn the_five_compartments_say_which_parameters_tie_a_type() {
    let definitions = Definitions::get();
    let names: Vec<_> = definitions.compartments().map(ResourceType::name).collect();
    assert_eq!(names, ["Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"]);
    let tying = |compartment, member| {
        let parameters = definitions
            .compartment_parameters(resource_type(compartment), resource_type(member))
            .iter();
        parameters.map(|parameter| &*parameter.code).collect::<Vec<_>>().join(" ")
    };
    for (compartment, member, codes) in [
        ("Patient", "Observation", "subject performer"),
        ("Patient", "AllergyIntolerance", "patient recorder asserter"),
        ("Patient", "Patient", "link"),
        ("Patient", "Practitioner", ""),
        ("Patient", "User", ""),
        ("Encounter", "Encounter", ""),
        ("Encounter", "Condition", "encounter"),
        ("Practitioner", "Encounter", "practitioner participant"),
        ("RelatedPerson", "Patient", "link"),
        ("Device", "Observation", "subject device"),
        ("Observation", "Patient", ""),
    ] {
        assert_eq!(tying(compartment, member), codes, "{member} in {compartment}");
    }
    for (compartment, members) in
        [("Device", 32), ("Encounter", 24), ("Patient", 66), ("Practitioner", 58)]
    {
        let compartment = resource_type(compartment);
        let tied = ResourceType::all()
            .filter(|member| !definitions.compartment_parameters(compartment, *member).is_empty());
        assert_eq!(tied.count(), members, "{compartment}");
    }
}
