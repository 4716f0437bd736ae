//! The made-up records of the measurement, and the requests for them.

use serde_json::{Value, json};

/// LOINC codes; each patient has one Observation of each, so that patient and code name one.
const CODES: &[&str] = &[
    "8867-4", "9279-1", "8310-5", "8302-2", "29463-7", "39156-5", "8480-6", "8462-4", "2708-6",
    "72514-3",
];

const MARITAL_STATUS: &str = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus";
const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";

/// Observations of each patient.
pub(super) const OBSERVATIONS_OF_ONE: usize = CODES.len();

/// The id of the patient with this number.
pub(super) fn patient_id(number: usize) -> String {
    format!("patient-{number}")
}

/// A Patient of about a kilobyte, without an id.
pub(super) fn patient(number: usize) -> Value {
    json!({
        "resourceType": "Patient",
        "identifier": [
            {
                "use": "official",
                "system": "https://hospital.example/mrn",
                "value": format!("MRN{number:08}")
            },
            {
                "system": "https://hospital.example/insurance",
                "value": format!("I-{}", number * 7_919)
            }
        ],
        "active": true,
        "name": [
            {
                "use": "official",
                "family": format!("Family{}", number % 500),
                "given": [format!("Given{}", number % 200), "Alex"]
            },
            {"use": "nickname", "text": format!("Nick {number}")}
        ],
        "telecom": [
            {"system": "phone", "value": format!("+1 555 {number:07}"), "use": "home"},
            {"system": "email", "value": format!("patient{number}@mail.example")}
        ],
        "gender": if number.is_multiple_of(2) { "female" } else { "male" },
        "birthDate": date(1930 + number % 90, number),
        "address": [{
            "use": "home",
            "line": [format!("{} Main Street", number % 999 + 1), "Second floor"],
            "city": format!("City{}", number % 60),
            "postalCode": format!("{:05}", number % 100_000),
            "country": "US"
        }],
        "maritalStatus": {"coding": [coding(MARITAL_STATUS, "M")]},
        "communication": [{"language": {"coding": [coding("urn:ietf:bcp:47", "en")]}}]
    })
}

/// The Observation of a patient with the code of this number.
pub(super) fn observation(patient: usize, code: usize) -> Value {
    json!({
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [coding(CATEGORY, "vital-signs")]}],
        "code": {"coding": [coding("http://loinc.org", code_text(code))]},
        "subject": {"reference": format!("Patient/{}", patient_id(patient))},
        "effectiveDateTime": format!("{}T10:00:00Z", date(2020 + code % 5, patient)),
        "valueQuantity": {
            "value": 60 + (patient + code) % 60,
            "unit": "1",
            "system": "http://unitsofmeasure.org",
            "code": "1"
        }
    })
}

fn coding(system: &str, code: &str) -> Value {
    json!({"system": system, "code": code})
}

/// Where exactly one Observation is found.
pub(super) fn search_path(number: usize, patients: usize) -> String {
    let (patient, code) = (number % patients.max(1), number / patients.max(1));
    format!(
        "/fhir/Observation?subject=Patient/{}&code=http%3A%2F%2Floinc.org%7C{}",
        patient_id(patient),
        code_text(code)
    )
}

/// A transaction that stores a patient with all Observations, under ids of our choice.
pub(super) fn stored_patient(number: usize) -> Vec<Value> {
    let entry = |path: String, mut resource: Value| {
        let id = path.split('/').nth(1).unwrap_or_default().to_owned();
        if let Some(members) = resource.as_object_mut() {
            members.insert("id".to_owned(), Value::String(id));
        }
        json!({"resource": resource, "request": {"method": "PUT", "url": path}})
    };
    let observations = (0..OBSERVATIONS_OF_ONE)
        .map(|code| entry(format!("Observation/{number}-{code}"), observation(number, code)));
    let patient = entry(format!("Patient/{}", patient_id(number)), patient(number));
    std::iter::once(patient).chain(observations).collect()
}

/// The entries of a transaction of eleven creates.
pub(super) fn created_patient(number: usize) -> Vec<Value> {
    let entry = |resource: Value| {
        let url = resource.get("resourceType").cloned();
        json!({"resource": resource, "request": {"method": "POST", "url": url}})
    };
    let observations = (0..OBSERVATIONS_OF_ONE).map(|code| entry(observation(number, code)));
    std::iter::once(entry(patient(number))).chain(observations).collect()
}

pub(super) fn transaction(entries: Vec<Value>) -> String {
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}).to_string()
}

fn code_text(number: usize) -> &'static str {
    CODES.get(number % CODES.len()).copied().unwrap_or_default()
}

fn date(year: usize, number: usize) -> String {
    format!("{year:04}-{:02}-{:02}", number % 12 + 1, number % 28 + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn patient_and_code_name_one_observation() {
        let stored: Vec<Value> = (0..3).flat_map(stored_patient).collect();
        let ids: HashSet<&Value> = stored.iter().map(|entry| &entry["request"]["url"]).collect();
        assert_eq!(ids.len(), 3 * (1 + OBSERVATIONS_OF_ONE));
        let searches: HashSet<String> =
            (0..3 * OBSERVATIONS_OF_ONE).map(|number| search_path(number, 3)).collect();
        assert_eq!(searches.len(), 3 * OBSERVATIONS_OF_ONE);
        assert_eq!(created_patient(1).len(), 11);
    }
}
