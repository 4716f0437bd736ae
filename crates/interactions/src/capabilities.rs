//! `capabilities`: what this server does, made from its definitions
//! (<https://hl7.org/fhir/R4/http.html#capabilities>).

use firewarden_fhir::definitions::ParameterType;
use firewarden_fhir::{Definitions, ResourceType};
use serde_json::{Value, json};

/// The date of the last change to what this server can do, for clients that keep the statement.
const DATE: &str = "2026-11-22";

/// The CapabilityStatement. It names no policy, no client and no provider.
pub fn capability_statement(public_url: &str, software_version: &str) -> Value {
    let resources: Vec<Value> =
        ResourceType::all().filter(|of| !of.is_own()).map(resource).collect();
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
            "documentation": "Not served: conditional interactions, PATCH, _include, _revinclude, \
                chained parameters, _has, composite and special parameters, _elements, operations.",
            "security": {
                "cors": true,
                "description": "Bearer tokens of trusted issuers, or HTTP Basic. Access is denied \
                    unless a policy allows it.",
            },
            "resource": resources,
            "interaction": [
                {"code": "transaction"},
                {"code": "batch"},
                {"code": "history-system"},
            ],
        }],
    })
}

fn resource(of: ResourceType) -> Value {
    // AuditEvents are this server's own to write.
    let writes: &[&str] =
        if of.name() == "AuditEvent" { &[] } else { &["create", "update", "delete"] };
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
        "updateCreate": true,
        "conditionalCreate": false,
        "conditionalUpdate": false,
        "conditionalDelete": "not-supported",
        "searchParam": parameters,
    })
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
