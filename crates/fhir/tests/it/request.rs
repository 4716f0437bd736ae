//! What a request asks for, case by case.

use firewarden_fhir::definitions::compartment;
use firewarden_fhir::request::{Body, NotServed, RestRequest, Routed};
use firewarden_fhir::search::Handling;
use firewarden_fhir::{IfMatch, Interaction, Issue, Timestamp, Version, WriteCondition};
use serde_json::json;

const BASE: &str = "http://localhost:8080/fhir";

fn request<'a>(method: &'a str, url: &'a str, body: Body) -> RestRequest<'a> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    RestRequest {
        method,
        path,
        query,
        body,
        if_match: None,
        if_none_exist: None,
        unserved_condition: None,
        handling: Handling::Lenient,
    }
}

fn route(method: &str, url: &str, body: Body) -> Result<Routed, NotServed> {
    request(method, url, body).route(BASE, Timestamp::UNIX_EPOCH)
}

fn patient() -> Body {
    Body::Json(json!({"resourceType": "Patient", "id": "1"}))
}

#[test]
fn each_place_and_method_is_one_interaction() {
    for (method, url, operation, uri) in [
        ("GET", "Patient/1", "FhirRead", "/fhir/Patient/1"),
        ("HEAD", "Patient/1", "FhirRead", "/fhir/Patient/1"),
        ("GET", "Patient/1/_history/2", "FhirVread", "/fhir/Patient/1/_history/2"),
        ("GET", "Patient", "FhirSearch", "/fhir/Patient"),
        ("POST", "Patient/_search", "FhirSearch", "/fhir/Patient/_search"),
        ("POST", "Patient", "FhirCreate", "/fhir/Patient"),
        ("PUT", "Patient/1", "FhirUpdate", "/fhir/Patient/1"),
        ("DELETE", "Patient/1", "FhirDelete", "/fhir/Patient/1"),
        ("GET", "Patient/1/_history", "FhirHistory", "/fhir/Patient/1/_history"),
        ("GET", "Patient/_history", "FhirHistory", "/fhir/Patient/_history"),
        ("GET", "_history", "FhirHistory", "/fhir/_history"),
        (
            "GET",
            "Patient/A/Observation?code=x",
            "FhirCompartmentSearch",
            "/fhir/Patient/A/Observation",
        ),
        ("GET", "Patient/A/Patient", "FhirCompartmentSearch", "/fhir/Patient/A/Patient"),
        ("POST", "Patient?identifier=x", "FhirConditionalCreate", "/fhir/Patient"),
        ("POST", "Patient?_format=json", "FhirCreate", "/fhir/Patient"),
        ("PUT", "Patient?identifier=x", "FhirConditionalUpdate", "/fhir/Patient"),
        ("DELETE", "Patient?identifier=x", "FhirConditionalDelete", "/fhir/Patient"),
        ("GET", "User/1", "FhirRead", "/User/1"),
        ("GET", "AccessPolicy", "FhirSearch", "/AccessPolicy"),
    ] {
        let body = if matches!(method, "POST" | "PUT") && !url.ends_with("_search") {
            patient()
        } else {
            Body::Empty
        };
        let routed = route(method, url, body).unwrap();
        assert_eq!(routed.defect, None, "{method} {url}");
        let interaction = routed.interaction;
        assert_eq!((interaction.operation_id(), interaction.uri().as_str()), (operation, uri));
    }
}

#[test]
fn only_the_canonical_path_names_anything() {
    for (url, why) in [
        ("%50atient/1", NotServed::BadPath),
        ("Patient%2F1", NotServed::BadPath),
        ("Patient/%5a", NotServed::BadPath),
        ("Observation/../Patient/1", NotServed::BadPath),
        ("Observation/..%2fPatient/1", NotServed::BadPath),
        ("./Patient/1", NotServed::BadPath),
        ("Patient//1", NotServed::BadPath),
        ("Patient/1/", NotServed::BadPath),
        ("Patient/1;x", NotServed::BadPath),
        ("Patient\\1", NotServed::BadPath),
        ("Patient/1%00", NotServed::BadPath),
        ("%2541ccessPolicy", NotServed::BadPath),
        ("//evil/Patient/1", NotServed::BadPath),
        ("http://evil/Patient/1", NotServed::BadPath),
        ("", NotServed::BadPath),
        ("patient/1", NotServed::NotFound),
        ("Patients", NotServed::NotFound),
        ("Patient/1/2", NotServed::NotFound),
        ("Patient/1/*", NotServed::BadPath),
        ("Patient/1/Organization", NotServed::NotFound),
        ("Patient/1/User", NotServed::NotFound),
        ("Patient/1/Observation/2", NotServed::NotFound),
        ("Observation/1/Patient", NotServed::NotFound),
        ("User/1/Role", NotServed::NotFound),
        ("Patient/1/_history/0", NotServed::NotFound),
        ("Patient/1/_history/01", NotServed::NotFound),
        ("Patient/$everything", NotServed::NotFound),
        ("Patient/a_b", NotServed::NotFound),
    ] {
        assert_eq!(route("GET", url, Body::Empty), Err(why), "{url}");
    }
}

#[test]
fn other_methods_are_not_served() {
    for (method, url) in [
        ("PATCH", "Patient/1"),
        ("POST", "Patient/1"),
        ("POST", "Patient/1/Observation"),
        ("DELETE", "Patient/1/Observation"),
        ("GET", "Patient/_search"),
        ("DELETE", "Patient/1/_history"),
        ("get", "Patient/1"),
        ("OPTIONS", "Patient/1"),
    ] {
        assert_eq!(route(method, url, Body::Empty), Err(NotServed::Method), "{method} {url}");
    }
}

#[test]
fn a_body_must_be_the_resource_that_the_url_names() {
    let check = |method: &str, url: &str, body: Body, words: &str| {
        let defect = route(method, url, body).unwrap().defect.unwrap();
        assert!(defect.diagnostics.contains(words), "{method} {url}: {}", defect.diagnostics);
    };
    let json = |value| Body::Json(value);
    check("POST", "Patient", json(json!({"resourceType": "Observation"})), "not `Patient`");
    check("POST", "Patient", json(json!({})), "`resourceType` is missing");
    check("POST", "Patient", json(json!([])), "not an object");
    check("POST", "Patient", Body::Empty, "empty");
    check("POST", "Patient", Body::Form(Vec::new()), "Content-Type");
    check("PUT", "Patient/2", patient(), "`id` is not `2`");
    check("PUT", "Patient/1", json(json!({"resourceType": "Patient"})), "`id` is missing");
    check("POST", "Patient/_search", patient(), "form");
    let own = route("PUT", "User/2", json(json!({"id": "1"}))).unwrap();
    assert_eq!(own.defect, None);
}

#[test]
fn a_created_resource_does_not_choose_its_id() {
    let Interaction::Create(resource) = route("POST", "Patient", patient()).unwrap().interaction
    else {
        panic!("a create");
    };
    assert_eq!(resource.content.get("id"), None);
    let own = Body::Json(json!({"id": "alice"}));
    let Interaction::Create(resource) = route("POST", "User", own).unwrap().interaction else {
        panic!("a create");
    };
    assert_eq!(resource.content.get("id"), Some(&json!("alice")));
}

#[test]
fn a_condition_that_is_not_served_is_refused() {
    assert!(route("PUT", "Patient/1?x=y", patient()).unwrap().defect.is_some());
    assert!(route("DELETE", "Patient/1?x=y", Body::Empty).unwrap().defect.is_some());
    for (method, url) in [("POST", "Patient"), ("PUT", "Patient/1"), ("PUT", "Patient?name=x")] {
        let conditional = RestRequest {
            unserved_condition: Some("If-None-Match"),
            ..request(method, url, patient())
        };
        let routed = conditional.route(BASE, Timestamp::UNIX_EPOCH).unwrap();
        assert!(routed.defect.unwrap().diagnostics.contains("If-None-Match"), "{method} {url}");
    }
    for (method, url) in [("PUT", "Patient/1"), ("PUT", "Patient?name=x"), ("DELETE", "Patient/1")]
    {
        let conditional =
            RestRequest { if_none_exist: Some("name=x"), ..request(method, url, patient()) };
        let routed = conditional.route(BASE, Timestamp::UNIX_EPOCH).unwrap();
        assert!(routed.defect.unwrap().diagnostics.contains("If-None-Exist"), "{method} {url}");
    }
}

/// The condition of a write and what is wrong with it.
fn condition(
    method: &str,
    url: &str,
    if_none_exist: Option<&str>,
) -> Result<WriteCondition, Issue> {
    let routed = RestRequest { if_none_exist, ..request(method, url, patient()) };
    let routed = routed.route(BASE, Timestamp::UNIX_EPOCH).unwrap();
    if let Some(defect) = routed.defect {
        return Err(defect);
    }
    let (Interaction::ConditionalCreate(condition, _)
    | Interaction::ConditionalUpdate(condition, ..)
    | Interaction::ConditionalDelete(condition)) = routed.interaction
    else {
        panic!("{:?}", routed.interaction);
    };
    Ok(condition)
}

#[test]
fn a_condition_is_criteria_alone_and_all_of_them_are_known() {
    for (method, url, header, names) in [
        ("POST", "Patient?identifier=x", None, "identifier"),
        ("POST", "Patient?identifier=x&_format=json&_count=3&_sort=name", None, "identifier"),
        ("POST", "Patient", Some("identifier=x&active=true"), "identifier active"),
        ("POST", "Patient", Some("?identifier=x"), "identifier"),
        ("POST", "Patient?active=true", Some("identifier=x"), "active identifier"),
        ("PUT", "Patient?identifier=x&_pretty=true", None, "identifier"),
        ("DELETE", "Patient?identifier=x", None, "identifier"),
        ("DELETE", "Patient?identifier=x&_count=5", None, "identifier _count"),
        ("PUT", "Patient?organization.name=x", None, "organization.name"),
    ] {
        let condition = condition(method, url, header).unwrap();
        let applied = condition.query.applied.iter().map(|(name, _)| name.as_str());
        assert_eq!(applied.collect::<Vec<_>>().join(" "), names, "{method} {url}");
        let expected = if url.contains("_count=5") { 5 } else { 1 };
        assert_eq!(condition.matches_max, expected, "{method} {url}");
    }
    for (method, url, header) in [
        ("POST", "Patient", Some("")),
        ("POST", "Patient", Some("_format=json")),
        ("POST", "Patient?identifier=x", Some("_format=json")),
        ("POST", "Patient?favourite=x", None),
        ("POST", "Patient?%", None),
        ("POST", "Patient", Some("identifier=")),
        ("PUT", "Patient", None),
        ("PUT", "Patient?_format=json", None),
        ("PUT", "Patient?favourite=x", None),
        ("PUT", "Patient?identifier=x&favourite=x", None),
        ("DELETE", "Patient", None),
        ("DELETE", "Patient?_count=5", None),
        ("DELETE", "Patient?favourite=x", None),
        ("DELETE", "Patient?identifier=x&_count=0", None),
        ("DELETE", "Patient?identifier=x&_count=all", None),
        ("POST", "User?name=x", None),
        ("PUT", "User?name=x", None),
        ("DELETE", "User?name=x", None),
    ] {
        assert!(condition(method, url, header).is_err(), "{method} {url} {header:?}");
    }
}

#[test]
fn an_id_in_the_body_of_a_conditional_update_is_expected() {
    let expected = |body| {
        let routed = route("PUT", "Patient?identifier=x", Body::Json(body)).unwrap();
        let Interaction::ConditionalUpdate(condition, ..) = routed.interaction else {
            panic!("a conditional update");
        };
        (condition.expected.map(|target| target.to_string()), routed.defect.is_some())
    };
    assert_eq!(expected(json!({"resourceType": "Patient"})), (None, false));
    let with_id = json!({"resourceType": "Patient", "id": "a"});
    assert_eq!(expected(with_id), (Some("Patient/a".to_owned()), false));
    assert_eq!(expected(json!({"resourceType": "Patient", "id": "a_b"})), (None, true));
    assert_eq!(expected(json!({"resourceType": "Patient", "id": 1})), (None, true));
}

#[test]
fn a_compartment_search_is_of_the_compartment_and_what_else_is_asked() {
    let of = |url: &str| {
        let routed = route("GET", url, Body::Empty).unwrap();
        let Interaction::CompartmentSearch(compartment, query) = routed.interaction else {
            panic!("{:?}", routed.interaction);
        };
        (compartment, query)
    };
    let (compartment, query) = of("Patient/A/Observation?patient=Z&code=x");
    assert_eq!((compartment.to_string().as_str(), query.criteria.len()), ("Patient/A", 3));
    let within = compartment::criterion(&compartment, query.resource_type).unwrap();
    assert!(query.criteria.contains(&within));
    let route = route("GET", "Patient/A/Observation", Body::Empty).unwrap().interaction;
    assert_eq!(
        route.route_parameters(),
        [("resource/type", "Patient"), ("resource/id", "A"), ("resource/target", "Observation")]
    );
    let broken = of("Patient/A/Observation?date=yesterday").1;
    assert_eq!(broken.criteria, [within]);
}

#[test]
fn if_match_takes_an_etag_or_a_bare_version() {
    let read = |header| {
        let with = RestRequest { if_match: Some(header), ..request("PUT", "Patient/1", patient()) };
        let routed = with.route(BASE, Timestamp::UNIX_EPOCH).unwrap();
        match (routed.interaction, routed.defect) {
            (Interaction::Update(_, _, if_match), None) => Some(if_match),
            _ => None,
        }
    };
    let third = Some(IfMatch::Version(Version(3)));
    assert_eq!((read("W/\"3\""), read("\"3\""), read("3")), (third, third, third));
    assert_eq!((read("W/\"x\""), read("*"), read("")), (None, None, None));
}

#[test]
fn a_broken_query_is_a_defect_of_the_search() {
    for query in ["name=%", "name=%zz", "name=%ff", "name=%00", "_count=-1", "_count=x"] {
        let url = format!("Patient?{query}");
        assert!(route("GET", &url, Body::Empty).unwrap().defect.is_some(), "{query}");
    }
    assert!(route("GET", "Patient/_history?x=1", Body::Empty).unwrap().defect.is_some());
    let page = route("GET", "Patient/_history?_count=5&_since=2020", Body::Empty).unwrap();
    assert_eq!(page.defect, None);
}
