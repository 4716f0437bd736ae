//! Searches: what each kind of criterion finds, in which order, on which page, with which total.

use firewarden_access::SystemTask;
use firewarden_fhir::search::{ParseSearch, SearchQuery};
use firewarden_store::{SearchPage, Store, StoreError};

use crate::opened::*;

/// Reads a search as it stands in a URL, without its percent encoding.
pub(crate) fn query(text: &str) -> SearchQuery {
    let (name, parameters) = text.split_once('?').unwrap_or((text, ""));
    let pairs = parameters.split('&').filter_map(|pair| pair.split_once('='));
    let pairs: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let parse = ParseSearch { base_url: BASE_URL, now: at(0), handling: Default::default() };
    let query = parse.read(of(name), &pairs).unwrap_or_else(|issue| panic!("{text}: {issue:?}"));
    assert!(query.ignored.is_empty(), "{text}: {:?}", query.ignored);
    query
}

pub(crate) async fn page(store: &Store, query: &SearchQuery) -> SearchPage {
    let page = store.search(SystemTask::InitBundle.search(query.clone())).await.unwrap();
    for stored in &page.matches {
        assert_eq!(stored.target.resource_type, query.resource_type);
        assert_eq!(found(store, &stored.target.to_string()).await.body, stored.body);
    }
    page
}

pub(crate) fn ids(page: &SearchPage) -> Vec<String> {
    page.matches.iter().map(|stored| stored.target.id.to_string()).collect()
}

/// The ids that a search finds, joined.
async fn finds(store: &Store, text: &str) -> String {
    ids(&page(store, &query(text)).await).join(" ")
}

/// All pages of a search.
pub(crate) async fn walk(store: &Store, query: &SearchQuery) -> Vec<String> {
    let mut query = query.clone();
    let mut walked = Vec::new();
    loop {
        let page = page(store, &query).await;
        assert!(page.matches.len() <= query.count as usize);
        walked.extend(ids(&page));
        match page.next {
            Some(cursor) => query.cursor = Some(cursor),
            None => return walked,
        }
    }
}

const PATIENTS: &[&str] = &[
    r#"{"id":"ann","name":[{"family":"Müller","given":["Ann","Zoë"]}],"gender":"female",
        "birthDate":"1990-05-17","identifier":[{"system":"urn:a","value":"1"},{"value":"2"}],
        "managingOrganization":{"reference":"Organization/o1"}}"#,
    r#"{"id":"bob","name":[{"family":"mullerson"}],"gender":"male","birthDate":"1990",
        "identifier":[{"system":"urn:b","value":"1"}],
        "managingOrganization":{"reference":"http://localhost/fhir/Organization/o2"}}"#,
    r#"{"id":"cat","active":true,"birthDate":"2001-01","name":[{"text":"van  der BERG"}],
        "managingOrganization":{"reference":"http://elsewhere/fhir/Organization/o1"}}"#,
    r#"{"id":"dan"}"#,
];

const OBSERVATIONS: &[&str] = &[
    r#"{"id":"o1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},
        "subject":{"reference":"Patient/ann"},"effectiveDateTime":"2024-03-01T10:00:00Z",
        "valueQuantity":{"value":80,"unit":"beats/min","system":"http://unitsofmeasure.org","code":"/min"}}"#,
    r#"{"id":"o2","status":"final","code":{"coding":[{"code":"8867-4"},{"system":"http://loinc.org","code":"x"}]},
        "subject":{"reference":"Patient/bob"},"effectivePeriod":{"start":"2024-02-01","end":"2024-04-01"},
        "valueQuantity":{"value":79.5,"unit":"beats/min"}}"#,
    r#"{"id":"o3","status":"amended","code":{"text":"pulse"},"subject":{"reference":"Group/ann"},
        "effectivePeriod":{"start":"2020"},"valueQuantity":{"value":-80.5,"code":"mg"}}"#,
];

async fn with_resources(store: &Store) {
    for (name, contents) in [("Patient", PATIENTS), ("Observation", OBSERVATIONS)] {
        for content in contents {
            let json: serde_json::Value = serde_json::from_str(content).unwrap();
            let on = format!("{name}/{}", json["id"].as_str().unwrap());
            write(store, vec![create(&on, content)]).await.unwrap();
        }
    }
    let url = "http://example.org/vs";
    let value_set = format!(r#"{{"url":"{url}","version":"1"}}"#);
    write(store, vec![create("ValueSet/v", &value_set)]).await.unwrap();
    let questionnaire = |version: &str| format!(r#"{{"questionnaire":"{url}{version}"}}"#);
    for (id, version) in [("q0", ""), ("q1", "|1"), ("q2", "|2"), ("q3", "-other")] {
        let on = format!("QuestionnaireResponse/{id}");
        write(store, vec![create(&on, &questionnaire(version))]).await.unwrap();
    }
    let risk = |number: &str| format!(r#"{{"prediction":[{{"probabilityDecimal":{number}}}]}}"#);
    for (id, number) in [("r1", "0.5"), ("r2", "0.54"), ("r3", "0.55"), ("r4", "-1")] {
        write(store, vec![create(&format!("RiskAssessment/{id}"), &risk(number))]).await.unwrap();
    }
}

const FOUND: &[(&str, &str)] = &[
    ("Patient", "ann bob cat dan"),
    ("Patient?_id=bob,ann,none", "ann bob"),
    ("Patient?_id=bob&_id=ann", ""),
    // Strings.
    ("Patient?family=muller", "ann bob"),
    ("Patient?family=MÜLLERS", "bob"),
    ("Patient?family:exact=Müller", "ann"),
    ("Patient?family:exact=muller", ""),
    ("Patient?family:contains=LLERSO", "bob"),
    ("Patient?name=zoe,van der b", "ann cat"),
    ("Patient?name=der", ""),
    ("Patient?name:contains=DER", "cat"),
    // Tokens.
    ("Patient?gender=male", "bob"),
    ("Patient?gender=Male", ""),
    ("Patient?gender:not=male", "ann cat dan"),
    ("Patient?identifier=1", "ann bob"),
    ("Patient?identifier=urn:a|1", "ann"),
    ("Patient?identifier=urn:a|", "ann"),
    ("Patient?identifier=|2", "ann"),
    ("Patient?identifier=|1", ""),
    ("Patient?identifier=urn:never|1", ""),
    ("Patient?identifier:not=urn:a|1,urn:b|1", "cat dan"),
    ("Patient?active=true", "cat"),
    ("Observation?code=http://loinc.org|8867-4", "o1"),
    ("Observation?code=8867-4", "o1 o2"),
    // References.
    ("Patient?organization=Organization/o1", "ann"),
    ("Patient?organization=o2", "bob"),
    ("Patient?organization=http://localhost/fhir/Organization/o2", "bob"),
    ("Patient?organization=http://elsewhere/fhir/Organization/o1", "cat"),
    ("Observation?subject=ann", "o1 o3"),
    ("Observation?subject=Group/ann", "o3"),
    ("Observation?patient=ann", "o1"),
    ("QuestionnaireResponse?questionnaire=http://example.org/vs", "q0 q1 q2"),
    ("QuestionnaireResponse?questionnaire=http://example.org/vs|2", "q2"),
    // Dates.
    ("Patient?birthdate=1990", "ann bob"),
    ("Patient?birthdate=1990-05", "ann"),
    ("Patient?birthdate=gt1990", "cat"),
    ("Patient?birthdate=ge1990", "ann bob cat"),
    ("Patient?birthdate=lt1990-05-17", "bob"),
    ("Patient?birthdate=le1990-05-17", "ann bob"),
    ("Patient?birthdate=ne1990", "cat"),
    ("Patient?birthdate=sa1990", "cat"),
    ("Patient?birthdate=eb2001", "ann bob"),
    ("Observation?date=2024-03-01", "o1"),
    ("Observation?date=ge2024-03-01", "o1 o2 o3"),
    ("Observation?date=sa2023", "o1 o2"),
    ("Observation?date=lt2024-02-15", "o2 o3"),
    ("Observation?date=eb2024-03-02", "o1"),
    ("Observation?date=2024", "o1 o2"),
    ("Observation?date=ap2024-03-01T10:00:00Z", "o1 o2 o3"),
    // Numbers and quantities.
    ("RiskAssessment?probability=0.5", "r1 r2"),
    ("RiskAssessment?probability=0.50", "r1"),
    ("RiskAssessment?probability=gt0.5", "r2 r3"),
    ("RiskAssessment?probability=lt0.5", "r4"),
    ("RiskAssessment?probability=ge0.54", "r2 r3"),
    ("RiskAssessment?probability=ne0.5", "r3 r4"),
    ("Observation?value-quantity=80", "o1 o2"),
    ("Observation?value-quantity=80.0", "o1"),
    ("Observation?value-quantity=lt0", "o3"),
    ("Observation?value-quantity=80||beats/min", "o1 o2"),
    ("Observation?value-quantity=80||/min", "o1"),
    ("Observation?value-quantity=80|http://unitsofmeasure.org|/min", "o1"),
    ("Observation?value-quantity=80|http://unitsofmeasure.org|mg", ""),
    ("Observation?value-quantity=-80.5||mg", "o3"),
    // URIs and absence.
    ("ValueSet?url=http://example.org/vs", "v"),
    ("ValueSet?url=http://example.org/v", ""),
    ("Patient?gender:missing=true", "cat dan"),
    ("Patient?gender:missing=false", "ann bob"),
    ("Patient?name:missing=true", "dan"),
    // Several at once.
    ("Patient?birthdate=1990&gender=male&name=mull", "bob"),
    ("Patient?birthdate=1990&gender=male&name=mull&identifier=2", ""),
    ("Observation?subject=Patient/ann&code=8867-4", "o1"),
    ("Observation?subject=Patient/ann&code=x", ""),
    ("Patient?_lastUpdated=2023-11-14", "ann bob cat dan"),
    ("Patient?_lastUpdated=lt2023-11-14", ""),
    ("Patient?_lastUpdated=ge2023-11-14T22:13:20.000Z&gender=male", "bob"),
    ("Patient?_lastUpdated=ne2023-11-14T22:13:20.000Z", ""),
    // Orders.
    ("Patient?_sort=-_id", "dan cat bob ann"),
    ("Patient?_sort=birthdate", "bob ann cat dan"),
    ("Patient?_sort=-birthdate", "cat ann bob dan"),
    ("Patient?_sort=gender", "ann bob cat dan"),
    ("Patient?_sort=-gender,-_id", "bob ann dan cat"),
    ("Patient?_sort=family", "ann bob cat dan"),
    ("Patient?_sort=organization", "ann bob cat dan"),
    ("RiskAssessment?_sort=-probability", "r3 r2 r1 r4"),
    ("Observation?_sort=value-quantity", "o3 o2 o1"),
    ("Observation?_sort=date", "o3 o2 o1"),
];

#[tokio::test]
async fn each_kind_of_criterion_finds_what_the_specification_says() {
    let Opened { store, .. } = &open();
    with_resources(store).await;
    for (text, found) in FOUND {
        assert_eq!(finds(store, text).await, *found, "{text}");
    }
}

#[tokio::test]
async fn totals_count_every_match_and_no_more() {
    let Opened { store, .. } = &open();
    with_resources(store).await;
    for (text, total, matches) in [
        ("Patient?_count=2", None, 2),
        ("Patient?_count=4", Some(4), 4),
        ("Patient?_count=2&_total=accurate", Some(4), 2),
        ("Patient?_count=0", Some(4), 0),
        ("Patient?_count=0&birthdate=1990", Some(2), 0),
        ("Patient?_count=0&birthdate=1990&gender=male", Some(1), 0),
        ("Patient?_count=0&gender:not=male", Some(3), 0),
        ("Patient?_count=0&family:exact=Müller", Some(1), 0),
        ("Patient?_count=0&identifier=1,2", Some(2), 0),
        ("Patient?_count=0&name=z,van,m", Some(3), 0),
        ("Patient?_count=0&_id=ann,bob,none&gender=male,female", Some(2), 0),
        ("Patient?_count=0&identifier=urn:never|1", Some(0), 0),
        ("Observation?_count=0&value-quantity=80||/min", Some(1), 0),
        ("Patient?_count=1&_total=accurate&_sort=-birthdate&birthdate=ge1990", Some(3), 1),
    ] {
        let page = page(store, &query(text)).await;
        assert_eq!((page.total, page.matches.len()), (total, matches), "{text}");
    }
}

#[tokio::test]
async fn a_search_finds_the_current_content_alone() {
    let Opened { store, .. } = &open();
    let patient = |gender: &str, name: &str| {
        format!(r#"{{"gender":"{gender}","name":[{{"family":"{name}"}}]}}"#)
    };
    write(store, vec![create("Patient/a", &patient("male", "Roe"))]).await.unwrap();
    assert_eq!(finds(store, "Patient?gender=male").await, "a");
    write(store, vec![put("Patient/a", &patient("female", "Roe"))]).await.unwrap();
    assert_eq!(finds(store, "Patient?gender=male").await, "");
    assert_eq!(finds(store, "Patient?gender=female&family=roe").await, "a");
    // Within one request, and so within one batch.
    let writes = vec![
        put("Patient/a", &patient("other", "Roe")),
        put("Patient/a", &patient("female", "Doe")),
        put("Patient/b", &patient("male", "Doe")),
        delete("Patient/b"),
    ];
    write(store, writes).await.unwrap();
    for (text, found) in [
        ("Patient?gender=other", ""),
        ("Patient?family=roe", ""),
        ("Patient?gender=female&family=doe", "a"),
        ("Patient?gender=male", ""),
        ("Patient?family=doe", "a"),
        ("Patient", "a"),
        ("Patient?_lastUpdated=2023", "a"),
        ("Patient?_sort=-_lastUpdated", "a"),
    ] {
        assert_eq!(finds(store, text).await, found, "{text}");
    }
    write(store, vec![delete("Patient/a")]).await.unwrap();
    for text in ["Patient", "Patient?gender=female", "Patient?_id=a", "Patient?_lastUpdated=2023"] {
        assert_eq!(finds(store, text).await, "", "{text}");
    }
    write(store, vec![put("Patient/a", &patient("female", "Doe"))]).await.unwrap();
    assert_eq!(finds(store, "Patient?gender=female").await, "a");
}

#[tokio::test]
async fn a_search_shows_nothing_outside_the_rows() {
    let Opened { store, .. } = &open();
    with_resources(store).await;
    for text in ["Patient", "Patient?gender=male", "Patient?_count=0", "Patient?_id=ann"] {
        let page = store.search(SystemTask::KeepSessions.search(query(text))).await.unwrap();
        assert_eq!((page.matches.len(), page.total, page.next), (0, Some(0), None), "{text}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_search_is_refused() {
    let Opened { store, .. } = &open();
    with_resources(store).await;
    let cursor = page(store, &query("Patient?_count=1&_sort=gender")).await.next.unwrap();
    for text in ["Patient", "Patient?_sort=-gender", "Patient?_sort=gender,_id", "Observation"] {
        let query = SearchQuery { cursor: Some(cursor.clone()), ..query(text) };
        let refused = store.search(SystemTask::InitBundle.search(query)).await;
        assert!(matches!(refused, Err(StoreError::BadCursor)), "{text}");
    }
    for cursor in ["", "x", "AAAA", cursor.strip_prefix(|_: char| true).unwrap(), "ü"] {
        let query =
            SearchQuery { cursor: Some(cursor.to_owned()), ..query("Patient?_sort=gender") };
        let refused = store.search(SystemTask::InitBundle.search(query)).await;
        assert!(matches!(refused, Err(StoreError::BadCursor)), "{cursor}");
    }
}

#[tokio::test]
async fn long_texts_are_compared_in_full() {
    let Opened { store, .. } = &open();
    let long = "é".repeat(400);
    let patient = |end: &str| {
        let text = format!("{long}{end}");
        format!(r#"{{"name":[{{"family":"{text}"}}],"identifier":[{{"value":"{text}"}}]}}"#)
    };
    for end in ["a", "b"] {
        write(store, vec![create(&format!("Patient/{end}"), &patient(end))]).await.unwrap();
    }
    for (text, found) in [
        (format!("family={long}a"), "a"),
        (format!("family={long}"), "a b"),
        (format!("family={long}c"), ""),
        (format!("family:exact={long}b"), "b"),
        ("family:contains=eb".to_owned(), "b"),
        (format!("identifier={long}b"), "b"),
        (format!("identifier={long}"), ""),
    ] {
        assert_eq!(finds(store, &format!("Patient?{text}")).await, found, "{text}");
        let total = page(store, &query(&format!("Patient?_count=0&{text}"))).await.total;
        assert_eq!(total, Some(found.split_whitespace().count() as u64), "{text}");
    }
}

/// More resources than are looked at to find the most selective criterion.
#[tokio::test]
async fn large_sets_are_found_as_small_ones_are() {
    let Opened { store, .. } = &open();
    let count = 1_200;
    let observation = |n: usize| {
        let (status, code) = (["final", "amended"][n % 2], ["x", "y", "z"][n % 3]);
        let day = format!("2024-01-{:02}", n % 28 + 1);
        create(
            &format!("Observation/o{n:04}"),
            &format!(
                r#"{{"status":"{status}","code":{{"coding":[{{"code":"{code}"}},{{"system":"s","code":"{code}"}}]}},
                "subject":{{"reference":"Patient/p{}"}},"effectiveDateTime":"{day}"}}"#,
                n % 2
            ),
        )
    };
    for start in (0..count).step_by(300) {
        let writes = (start..start + 300).map(observation).collect();
        write_at(store, start as i64, writes).await.unwrap();
    }
    let expected = |keep: &dyn Fn(usize) -> bool| -> Vec<String> {
        (0..count).filter(|n| keep(*n)).map(|n| format!("o{n:04}")).collect()
    };
    let cases: [(&str, &dyn Fn(usize) -> bool); 10] = [
        ("", &|_| true),
        ("status=final", &|n| n % 2 == 0),
        ("status=final,amended", &|_| true),
        ("status=final&code=x", &|n| n % 6 == 0),
        ("subject=Patient/p1&code=s|y", &|n| n % 6 == 1),
        ("code=x,y&status:not=final", &|n| n % 2 == 1 && n % 3 < 2),
        ("date=2024-01-01", &|n| n % 28 == 0),
        ("date=ge2024-01-02", &|n| n % 28 > 0),
        ("date=ge2024-01-02&code=z", &|n| n % 28 > 0 && n % 3 == 2),
        ("date=2024-01-03&code=z", &|n| n % 28 == 2 && n % 3 == 2),
    ];
    for (text, keep) in cases {
        let ordered = expected(keep);
        let asked = query(&format!("Observation?_count=170&{text}"));
        assert_eq!(walk(store, &asked).await, ordered, "{text}");
        let mut backwards =
            walk(store, &query(&format!("Observation?_count=170&_sort=-_lastUpdated&{text}")))
                .await;
        backwards.reverse();
        assert_eq!(backwards, ordered, "{text}");
        let total = page(store, &query(&format!("Observation?_count=0&{text}"))).await.total;
        assert_eq!(total, Some(ordered.len() as u64), "{text}");
    }
}

/// More linked resources than are looked up for every search.
#[tokio::test]
async fn many_linked_resources_are_found_as_few_are() {
    let Opened { store, .. } = &open();
    let (patients, count) = (600, 4_000);
    // Of the first patients there are the first observations, and none are female.
    let patient = |n: usize| {
        let gender = if n < 300 { "male" } else { "female" };
        let team = ["red", "green", "blue"][n % 3];
        create(
            &format!("Patient/p{n}"),
            &format!(
                r#"{{"gender":"{gender}","address":[{{"city":"c{n}e"}}],
                "generalPractitioner":[{{"reference":"Organization/{team}"}}]}}"#
            ),
        )
    };
    let patient_of = |n: usize| if n < 2_500 { n % 300 } else { 300 + n % 300 };
    let observation = |n: usize| {
        create(
            &format!("Observation/o{n:04}"),
            &format!(
                r#"{{"status":"{}","subject":{{"reference":"Patient/p{}"}},"effectiveDateTime":"{}"}}"#,
                ["final", "amended"][n % 2],
                patient_of(n),
                2_000 + n % 7,
            ),
        )
    };
    let teams = ["red", "green", "blue"]
        .map(|name| create(&format!("Organization/{name}"), &format!(r#"{{"name":"{name}"}}"#)));
    write(store, teams.into_iter().chain((0..patients).map(patient)).collect()).await.unwrap();
    for start in (0..count).step_by(1_000) {
        write(store, (start..start + 1_000).map(observation).collect()).await.unwrap();
    }
    let cases: [(&str, &dyn Fn(usize) -> bool); 8] = [
        ("patient.gender=male", &|n| n < 2_500),
        ("patient.gender=female", &|n| n >= 2_500),
        ("patient.gender=female&status=final", &|n| n >= 2_500 && n % 2 == 0),
        ("patient.address-city=c7e,c300e", &|n| [7, 300].contains(&patient_of(n))),
        ("patient.general-practitioner:Organization.name=red", &|n| patient_of(n) % 3 == 0),
        ("patient.gender:missing=true", &|_| false),
        ("patient.gender:not=male&date=2003", &|n| n >= 2_500 && 2_000 + n % 7 == 2003),
        ("patient.gender=female&patient.general-practitioner:Organization.name=blue", &|n| {
            n >= 2_500 && patient_of(n) % 3 == 2
        }),
    ];
    for (text, keep) in cases {
        let all: Vec<String> =
            (0..count).filter(|n| keep(*n)).map(|n| format!("o{n:04}")).collect();
        let ordered =
            |parameters: &str| query(&format!("Observation?_count=900&{parameters}{text}"));
        assert_eq!(walk(store, &ordered("")).await, all, "{text}");
        for sort in ["_sort=-_lastUpdated&", "_sort=-_id&", "_sort=-subject:Patient.birthdate&"] {
            let mut backwards = walk(store, &ordered(sort)).await;
            backwards.reverse();
            assert_eq!(backwards, all, "{sort} {text}");
        }
        let mut by_date = walk(store, &ordered("_sort=date&")).await;
        by_date.sort();
        assert_eq!(by_date, all, "{text}");
        let total = page(store, &query(&format!("Observation?_count=0&{text}"))).await.total;
        assert_eq!(total, Some(all.len() as u64), "{text}");
    }
    let text = "_has:Observation:patient:status=amended&_count=0";
    let total = page(store, &query(&format!("Patient?{text}&gender=female"))).await.total;
    let with_amended = |p: usize| (2_500..count).any(|n| patient_of(n) == p && n % 2 == 1);
    assert_eq!(total, Some((300..patients).filter(|p| with_amended(*p)).count() as u64));
}
