//! Decisions, case by case: the policies, the caller, the request, and what is expected.

use firewarden_access::{Considered, Denial, DenialReason, Permitted, Reach, Verdict};
use firewarden_fhir::search::{Criterion, SearchQuery, SortBy};
use firewarden_fhir::{Interaction, ResourceType};
use serde_json::{Map, Value, json};

use crate::cases;

fn check(name: &str, case: &Value) {
    let policies = cases::policies(&case["policies"]);
    let caller = cases::caller(&case["caller"]);
    let request = case["request"].as_str().unwrap();
    let decision = cases::decided(&policies, &caller, request, case.get("body"));
    let expect = case["expect"].as_object().unwrap();
    let shown = match decision {
        Ok(permitted) => shown_permit(permitted, expect),
        Err(denial) => shown_denial(&denial),
    };
    let told: Map<String, Value> =
        shown.into_iter().filter(|(key, _)| expect.contains_key(key)).collect();
    assert_eq!(&told, expect, "{name}");
}

/// The permit, with the rows of the types that are asked for: those of the interaction, and those
/// that are reached on the way.
fn shown_permit(permitted: Permitted, expect: &Map<String, Value>) -> Map<String, Value> {
    let shown = |key: &str, rows: &dyn Fn(ResourceType) -> String| -> Value {
        let types = expect.get(key).and_then(Value::as_object).into_iter().flatten();
        let types = types.map(|(of, _)| (of.clone(), ResourceType::parse(of).unwrap()));
        types.map(|(name, of)| (name, Value::from(rows(of)))).collect()
    };
    let (_, rows) = permitted.into_parts();
    let reached = |of| match cases::answer(rows.reached(of)) {
        Some(rows) => rows.to_string(),
        None => "denied".to_owned(),
    };
    cases::object(&json!({
        "decision": "permit",
        "granted_by": rows.granted_by(),
        "keeper": rows.is_keeper(),
        "rows": shown("rows", &|of| cases::answer(rows.of(of)).to_string()),
        "reached": shown("reached", &reached),
    }))
}

fn shown_denial(denial: &Denial) -> Map<String, Value> {
    let considered: Map<String, Value> = denial
        .considered
        .iter()
        .map(|considered| (considered.policy.clone(), considered.verdict.name().into()))
        .collect();
    cases::object(&json!({
        "decision": "deny",
        "reason": denial.reason.name(),
        "anonymous": denial.anonymous,
        "considered": considered,
    }))
}

/// A case with several `requests`, each with members of its own beside those of the case.
fn check_each(name: &str, case: &Value) {
    let Some(requests) = case["requests"].as_array() else {
        return check(name, case);
    };
    for request in requests {
        let mut whole = cases::object(case);
        whole.extend(cases::object(request));
        let name = format!("{name}: {}", request["name"].as_str().unwrap_or_default());
        check(&name, &Value::Object(whole));
    }
}

#[test]
fn rows_are_as_the_cases_say() {
    cases::each_case("rows", check_each);
}

#[test]
fn decisions_are_as_the_cases_say() {
    cases::each_case("decide", check);
}

fn many(count: usize, policy: impl Fn(usize) -> Value) -> Value {
    (0..count).map(policy).collect()
}

#[test]
fn a_denial_lists_no_more_policies_than_its_limit() {
    let max = firewarden_access::limits::CONSIDERED_MAX;
    let never = |index| json!({"id": format!("p{index:05}"), "engine": "json-schema", "schema": {"required": ["user"]}});
    let mut list = many(max + 1, never);
    list.as_array_mut().unwrap().push(json!({"id": "broken", "engine": "json-schema"}));
    let policies = cases::policies(&list);
    let denial = cases::decided(&policies, &cases::caller(&json!({})), "GET /fhir/Patient", None);
    let considered = denial.unwrap_err().considered;
    assert_eq!(considered.len(), max);
    let first = Considered { policy: "p00000".into(), verdict: Verdict::NotSatisfied };
    assert_eq!(considered.first(), Some(&first));
}

#[test]
fn a_request_that_more_policies_concern_than_the_limit_is_refused() {
    let max = firewarden_access::limits::POLICIES_PER_DECISION_MAX;
    let last = max;
    let policy = |index| {
        let key = if index == last { "uri" } else { "jwt" };
        json!({"id": format!("p{index:06}"), "engine": "json-schema", "schema": {"required": [key]}})
    };
    let mut all = many(max + 1, policy);
    let decided = |list: &Value, caller: Value| {
        let (set, caller) = (cases::policies(list), cases::caller(&caller));
        cases::decided(&set, &caller, "GET /fhir/Patient", None).map_err(|denial| denial.reason)
    };
    let refused = decided(&all, json!({})).unwrap_err();
    assert_eq!(refused, DenialReason::TooManyPolicies);
    let fewer = Value::Array(all.as_array().unwrap()[1..].to_vec());
    assert!(decided(&fewer, json!({})).is_ok());
    // Who can mend it is not shut out.
    let admin = json!({"id": "z", "engine": "allow", "link": [{"reference": "User/adm"}]});
    all.as_array_mut().unwrap().push(admin);
    assert!(decided(&all, json!({"user": {"id": "adm"}})).is_ok());
}

#[test]
fn scopes_beyond_their_limit_are_not_looked_at() {
    let max = firewarden_access::limits::SCOPES_MAX;
    let list = json!([{"id": "a", "engine": "json-schema", "schema": {"required": ["uri"]}}]);
    let set = cases::policies(&list);
    let decided = |before: usize| {
        let scope = format!("{}user/Patient.s", "openid ".repeat(before));
        let caller = cases::caller(&json!({"jwt": {"atv": 2, "scope": scope}}));
        cases::decided(&set, &caller, "GET /fhir/Patient", None).is_ok()
    };
    assert!(decided(max - 1));
    assert!(!decided(max));
}

#[test]
fn a_permit_is_of_the_policies_it_was_decided_on() {
    let list = json!([{"id": "a", "engine": "allow", "link": [{"reference": "User/alice"}]}]);
    let caller = cases::caller(&json!({"user": {"id": "alice"}}));
    let permitted =
        cases::decided(&cases::policies(&list), &caller, "GET /fhir/Patient/1", None).unwrap();
    assert_eq!(permitted.policy_version(), Some(7));
    let (interaction, rows) = permitted.into_parts();
    assert_eq!(interaction.uri(), "/fhir/Patient/1");
    assert_eq!(rows.policy_version(), Some(7));
    assert_eq!(rows.granted_by(), ["a"]);
}

#[test]
fn what_is_reached_on_the_way_needs_a_plain_search_of_its_own() {
    let list = json!([{"id": "narrow", "engine": "json-schema", "schema": {
        "required": ["params"],
        "properties": {"params": {"required": ["name"], "properties": {"name": {"const": "a"}}}},
    }}]);
    let anonymous = cases::caller(&json!({}));
    let of = ResourceType::parse("Patient").unwrap();
    let permitted =
        cases::decided(&cases::policies(&list), &anonymous, "GET /fhir/Patient?name=a", None);
    let (_, rows) = permitted.unwrap().into_parts();
    assert_eq!(cases::answer(rows.of(of)).reach(), Reach::Everything);
    assert_eq!(cases::answer(rows.reached(of)), None);
}

/// What is searched with `line`.
fn query(line: &str) -> SearchQuery {
    let Interaction::Search(query, _) = cases::interaction(line, None) else {
        panic!("{line} is no search");
    };
    query
}

#[test]
fn a_type_that_is_used_as_a_predicate_is_limited_to_the_callers_rows_of_it() {
    let policies = cases::policies(&json!([
        {"id": "rows", "engine": "json-schema", "schema": {"required": ["uri"]}, "rows": {
            "Observation": "status=final", "Patient": "active=true", "Device": "*",
        }},
    ]));
    let anonymous = cases::caller(&json!({}));
    for (asked, limited) in [
        ("GET /fhir/Observation?code=c", Some("GET /fhir/Observation?code=c")),
        (
            "GET /fhir/Patient?_has:Observation:subject:code=c",
            Some("GET /fhir/Patient?_has:Observation:subject:code=c"),
        ),
        ("GET /fhir/Observation?subject:Patient.name=a", Some("GET /fhir/Patient?name=a")),
        ("GET /fhir/Observation?subject:Device.type=a", Some("GET /fhir/Device?type=a")),
        ("GET /fhir/Observation?subject:Group.code=a", None),
        ("GET /fhir/Observation?_sort=subject:Group.code", None),
        ("GET /fhir/Patient?_has:Encounter:subject:status=planned", None),
        ("GET /fhir/Observation?subject:Patient.organization.name=a", None),
    ] {
        let permitted = cases::decided(&policies, &anonymous, asked, None).unwrap();
        let (_, rows) = permitted.into_parts();
        let search = cases::answer(rows.search(query(asked)));
        let reached = cases::answer(rows.search_reached(query(asked)));
        let Some(limited) = limited else {
            assert!(search.is_err() && reached.is_none(), "{asked}");
            continue;
        };
        let search = search.unwrap();
        assert_eq!(reached.unwrap().query(), search.query(), "{asked}");
        let added = |of: &str| match of {
            "Observation" => query("GET /fhir/Observation?status=final").criteria,
            "Patient" => query("GET /fhir/Patient?active=true").criteria,
            _ => Vec::new(),
        };
        let mut expected = query(limited).criteria;
        match &search.query().criteria[..] {
            [Criterion::Chain { targets, .. }] => {
                let [(target, criteria)] = &targets[..] else { panic!("{targets:?}") };
                expected.extend(added(target.name()));
                assert_eq!(*criteria, expected, "{asked}");
            }
            [Criterion::Has { source, criteria, .. }] => {
                let inner = query("GET /fhir/Observation?code=c").criteria;
                assert_eq!(*criteria, [inner, added(source.name())].concat(), "{asked}");
            }
            // Its own rows stand beside the search, not in it.
            criteria => assert_eq!(criteria, expected, "{asked}"),
        }
    }
}

#[test]
fn a_sort_through_a_reference_sees_the_callers_rows_alone() {
    let policies = cases::policies(&json!([
        {"id": "rows", "engine": "json-schema", "schema": {"required": ["uri"]}, "rows": {
            "Observation": "status=final", "Patient": "active=true",
        }},
    ]));
    let asked = "GET /fhir/Observation?_sort=subject:Patient.birthdate";
    let permitted = cases::decided(&policies, &cases::caller(&json!({})), asked, None).unwrap();
    let (_, rows) = permitted.into_parts();
    let search = cases::answer(rows.search(query(asked))).unwrap();
    let [key] = &search.query().sort[..] else { panic!("{search:?}") };
    let SortBy::Through { criteria, .. } = &key.by else { panic!("{key:?}") };
    assert_eq!(*criteria, query("GET /fhir/Patient?active=true").criteria);
}

#[test]
fn an_administrator_is_linked_by_an_allow_policy_in_force() {
    let allow = |more: Value| {
        let mut policy = cases::object(&more);
        policy.insert("id".into(), "p".into());
        policy.insert("engine".into(), "allow".into());
        json!([policy])
    };
    let alice = json!({"user": {"id": "alice"}, "roles": [{"id": "r", "name": "chief"}]});
    let user = json!([{"reference": "User/alice"}]);
    for (policies, who, is) in [
        (allow(json!({"link": user})), alice.clone(), true),
        (allow(json!({"link": user})), json!({"user": {"id": "bob"}}), false),
        (allow(json!({"link": user})), json!({"client": {"id": "alice"}}), false),
        (allow(json!({"link": user})), json!({}), false),
        (
            allow(json!({"link": [{"resourceType": "Client", "id": "root"}]})),
            json!({"client": {"id": "root"}}),
            true,
        ),
        (allow(json!({"link": user, "active": false})), alice.clone(), false),
        (allow(json!({"link": user, "period": {"end": "2026-05-31"}})), alice.clone(), false),
        (allow(json!({"link": user, "period": {"start": "2026-06-01"}})), alice.clone(), true),
        (allow(json!({"link": user, "roleName": "chief"})), alice.clone(), true),
        (allow(json!({"link": user, "roleName": "nurse"})), alice.clone(), false),
        (allow(json!({"roleName": "chief"})), alice.clone(), false),
        (allow(json!({"link": user, "rows": {"Patient": "*"}})), alice.clone(), false),
        (
            json!([{"id": "p", "engine": "json-schema", "link": user, "schema": {"required": ["uri"]}}]),
            alice,
            false,
        ),
    ] {
        let set = cases::policies(&policies);
        assert_eq!(
            set.is_administrator(&cases::caller(&who), cases::now()),
            is,
            "{policies} {who}"
        );
    }
}
