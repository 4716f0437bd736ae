//! `capabilities`: what this server does, made from its definitions
//! (<https://hl7.org/fhir/R4/http.html#capabilities>).

use firewarden_fhir::definitions::{ParameterType, SearchParameter};
use firewarden_fhir::{Definitions, ResourceType};
use serde_json::{Value, json};

/// The date of the last change to what this server can do, for clients that keep the statement.
const DATE: &str = "2026-11-22";

/// What the statement says of one installation.
pub struct Installation<'a> {
    /// The base of its URLs.
    pub public_url: &'a str,
    /// The program's version.
    pub software_version: &'a str,
    /// Whether pages of other origins may ask.
    pub cors: bool,
}

/// The CapabilityStatement. It names no policy, no client and no provider.
pub fn capability_statement(of: &Installation<'_>) -> Value {
    let Installation { public_url, software_version, cors } = of;
    let resources: Vec<Value> =
        ResourceType::all().filter(|of| !of.is_own()).map(resource).collect();
    let compartments: Vec<String> =
        Definitions::get().compartments().map(compartment_url).collect();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": DATE,
        "kind": "instance",
        "software": {"name": "Firewarden", "version": software_version},
        "implementation": {
            "description": "Firewarden FHIR server",
            "url": format!("{public_url}/fhir"),
        },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json", "text/yaml", "yaml"],
        "rest": [{
            "mode": "server",
            "documentation": "Chained parameters, _has and includes reach what the caller may \
                search. Not served: PATCH, composite and special parameters, _elements, operations.",
            "security": {
                "cors": cors,
                "description": "Bearer tokens of trusted issuers or of /auth/token, or HTTP \
                    Basic. Access is denied unless a policy allows it.",
            },
            "resource": resources,
            "compartment": compartments,
            "interaction": [
                {"code": "transaction"},
                {"code": "batch"},
                {"code": "history-system"},
            ],
        }],
    })
}

/// HL7's names of compartments begin with a small letter.
fn compartment_url(of: ResourceType) -> String {
    let mut name = of.name().to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    format!("http://hl7.org/fhir/CompartmentDefinition/{name}")
}

fn resource(of: ResourceType) -> Value {
    // AuditEvents are this server's own to write.
    let is_written = of.name() != "AuditEvent";
    let writes: &[&str] = if is_written { &["create", "update", "delete"] } else { &[] };
    let reads = ["read", "vread", "search-type", "history-instance", "history-type"];
    let interactions: Vec<Value> =
        reads.iter().chain(writes).map(|code| json!({"code": code})).collect();
    let mut parameters = vec![
        json!({"name": "_id", "type": "token"}),
        json!({"name": "_lastUpdated", "type": "date"}),
    ];
    parameters.extend(Definitions::get().search_parameters(of).iter().filter_map(|parameter| {
        let kind = served_kind(parameter.kind)?;
        Some(json!({"name": parameter.code, "definition": parameter.url, "type": kind}))
    }));
    json!({
        "type": of.name(),
        "interaction": interactions,
        "versioning": "versioned-update",
        "readHistory": true,
        "updateCreate": is_written,
        "conditionalCreate": is_written,
        "conditionalUpdate": is_written,
        "conditionalDelete": if is_written { "multiple" } else { "not-supported" },
        "searchInclude": includes(of),
        "searchRevInclude": reverse_includes(of),
        "searchParam": parameters,
    })
}

/// The values of `_include` that lead from a type.
fn includes(of: ResourceType) -> Vec<String> {
    let all = std::iter::once("*".to_owned());
    all.chain(references(of).map(|parameter| format!("{of}:{}", parameter.code))).collect()
}

/// The values of `_revinclude` that lead to a type.
fn reverse_includes(of: ResourceType) -> Vec<String> {
    let sources = ResourceType::all().filter(|source| !source.is_own());
    let leading = sources.flat_map(|source| {
        let leading = references(source).filter(|parameter| parameter.may_refer_to(of));
        leading.map(move |parameter| format!("{source}:{}", parameter.code))
    });
    std::iter::once("*".to_owned()).chain(leading).collect()
}

fn references(of: ResourceType) -> impl Iterator<Item = &'static SearchParameter> {
    let parameters = Definitions::get().search_parameters(of).iter();
    parameters.filter(|parameter| parameter.kind == ParameterType::Reference)
}

/// The code of a parameter type that searches are served for.
fn served_kind(kind: ParameterType) -> Option<&'static str> {
    match kind {
        ParameterType::Number => Some("number"),
        ParameterType::Date => Some("date"),
        ParameterType::String => Some("string"),
        ParameterType::Token => Some("token"),
        ParameterType::Reference => Some("reference"),
        ParameterType::Quantity => Some("quantity"),
        ParameterType::Uri => Some("uri"),
        ParameterType::Composite | ParameterType::Special => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_says_what_is_served() {
        let of =
            Installation { public_url: "https://fw.example", software_version: "1", cors: false };
        let statement = capability_statement(&of);
        let rest = &statement["rest"][0];
        assert_eq!(rest["security"]["cors"], false);
        let compartments = rest["compartment"].as_array().unwrap();
        for name in ["patient", "relatedPerson"] {
            let url = format!("http://hl7.org/fhir/CompartmentDefinition/{name}");
            assert!(compartments.contains(&url.into()), "{name}");
        }
        let of = |name: &str| {
            let resources = rest["resource"].as_array().unwrap();
            resources.iter().find(|resource| resource["type"] == name).unwrap()
        };
        let has = |member: &str, value: &str| {
            of("Patient")[member].as_array().unwrap().contains(&value.into())
        };
        assert!(has("searchInclude", "Patient:organization") && has("searchInclude", "*"));
        assert!(has("searchRevInclude", "Observation:subject"));
        assert!(!has("searchInclude", "Patient:name"));
        assert!(!has("searchRevInclude", "Observation:encounter"));
        assert!(!has("searchRevInclude", "Role:user"));
        assert_eq!(of("Patient")["conditionalDelete"], "multiple");
        assert_eq!(of("AuditEvent")["conditionalDelete"], "not-supported");
        assert_eq!(of("AuditEvent")["conditionalCreate"], false);
        let bytes = statement.to_string().len();
        assert!(bytes < 1024 * 1024, "{bytes}");
    }
}
