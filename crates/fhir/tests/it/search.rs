//! What a search means, case by case.

use firewarden_fhir::request::parse_query;
use firewarden_fhir::search::{
    Criterion, Handling, ParseSearch, Prefix, ReferenceValue, SearchQuery, SortBy, StringMatch,
    TokenValue, TotalMode,
};
use firewarden_fhir::{Issue, ResourceType, Timestamp, limits};

fn read_as(handling: Handling, resource_type: &str, query: &str) -> Result<SearchQuery, Issue> {
    let base_url = "http://localhost:8080/fhir";
    let parse = ParseSearch { base_url, now: Timestamp::UNIX_EPOCH, handling };
    parse.read(ResourceType::parse(resource_type).unwrap(), &parse_query(query).unwrap())
}

fn read(resource_type: &str, query: &str) -> Result<SearchQuery, Issue> {
    read_as(Handling::Lenient, resource_type, query)
}

fn criterion(resource_type: &str, query: &str) -> Criterion {
    let mut read = read(resource_type, query).unwrap();
    assert_eq!(read.ignored, [], "{query}");
    assert_eq!(read.criteria.len(), 1, "{query}");
    read.criteria.remove(0)
}

#[test]
fn tokens_have_systems() {
    let values = |query: &str| {
        let Criterion::Token { values, negated, .. } = criterion("Patient", query) else {
            panic!("{query}");
        };
        (values, negated)
    };
    let code = |text: &str| TokenValue::Code(text.into());
    assert_eq!(values("gender=male,female"), (vec![code("male"), code("female")], false));
    assert_eq!(values("gender:not=male"), (vec![code("male")], true));
    assert_eq!(
        values("identifier=http://a|1"),
        (vec![TokenValue::SystemCode("http://a".into(), "1".into())], false)
    );
    assert_eq!(values("identifier=|1"), (vec![TokenValue::NoSystemCode("1".into())], false));
    assert_eq!(
        values("identifier=http://a|"),
        (vec![TokenValue::System("http://a".into())], false)
    );
    assert_eq!(values(r"identifier=a\|b\,c"), (vec![code("a|b,c")], false));
}

#[test]
fn strings_have_modifiers() {
    for (query, how) in [
        ("name=ann", StringMatch::Start),
        ("name:contains=ann", StringMatch::Contains),
        ("name:exact=ann", StringMatch::Exact),
    ] {
        let Criterion::String { how: read, values, .. } = criterion("Patient", query) else {
            panic!("{query}");
        };
        assert_eq!((read, values), (how, vec!["ann".to_owned()]));
    }
}

#[test]
fn references_are_local_only_below_our_own_base() {
    let value = |query: &str| {
        let Criterion::Reference { mut values, .. } = criterion("Observation", query) else {
            panic!("{query}");
        };
        values.remove(0)
    };
    let local = |query: &str| {
        let ReferenceValue::Target(target) = value(query) else { panic!("{query}") };
        target.to_string()
    };
    assert_eq!(local("subject=Patient/1"), "Patient/1");
    assert_eq!(local("subject=http://localhost:8080/fhir/Patient/1"), "Patient/1");
    assert_eq!(local("subject=Patient/1/_history/3"), "Patient/1");
    let foreign = "http://elsewhere/fhir/Patient/1";
    assert_eq!(value(&format!("subject={foreign}")), ReferenceValue::Absolute(foreign.into()));
    let ReferenceValue::Id(types, id) = value("subject:Patient=1") else { panic!("an id") };
    assert_eq!((types.len(), types[0].name(), id.as_str()), (1, "Patient", "1"));
    let ReferenceValue::Id(types, _) = value("subject=1") else { panic!("an id") };
    assert!(types.len() > 1, "{types:?}");
}

#[test]
fn dates_and_numbers_have_prefixes() {
    let Criterion::Date { values, .. } = criterion("Patient", "birthdate=ge1970-01-02") else {
        panic!("a date");
    };
    assert_eq!((values[0].prefix, values[0].range.low_us), (Prefix::Ge, 86_400_000_000));
    let query = "value-quantity=gt5.4|http://unitsofmeasure.org|mg";
    let Criterion::Quantity { values, .. } = criterion("Observation", query) else {
        panic!("a quantity");
    };
    assert_eq!((values[0].number.prefix, values[0].number.value), (Prefix::Gt, 5.4));
    assert_eq!(values[0].code.as_deref(), Some("mg"));
}

#[test]
fn what_shapes_the_page_is_read() {
    let query = "_count=7&_total=accurate&_sort=-birthdate,_id&_format=json";
    let read = read("Patient", query).unwrap();
    assert_eq!((read.count, read.total, read.sort.len()), (7, TotalMode::Accurate, 2));
    assert!(read.sort[0].descending && matches!(read.sort[0].by, SortBy::Parameter(_)));
    assert_eq!((read.applied.len(), read.criteria.len()), (4, 0));
    let most = limits::PAGE_ENTRIES_MAX;
    assert_eq!(self::read("Patient", "_count=100000").unwrap().count, most);
    let counted = self::read("Patient", "_summary=count").unwrap();
    assert_eq!((counted.count, counted.total), (0, TotalMode::Accurate));
}

#[test]
fn unknown_parameters_are_left_out_and_told_or_refused_as_asked() {
    for query in ["favourite-colour=red", "_include=Observation:subject", "name="] {
        let lenient = read("Patient", query).unwrap();
        assert_eq!((lenient.applied.len(), lenient.ignored.len()), (0, 1), "{query}");
        assert!(read_as(Handling::Strict, "Patient", query).is_err(), "{query}");
    }
}

#[test]
fn what_would_narrow_and_cannot_be_applied_is_an_error() {
    for (of, query) in [
        ("Observation", "subject.name=x"),
        ("Observation", "subject:Patient.name=x"),
        ("Patient", "_has:Observation:subject:code=x"),
        ("Patient", "gender:in=http://x"),
        ("Patient", "gender:exact=x"),
        ("Patient", "name:not=x"),
        ("Patient", "birthdate:exact=2000"),
        ("Observation", "code-value-quantity=a$5"),
        ("Patient", "birthdate=yesterday"),
        ("Patient", "birthdate=2000-02-30"),
        ("Patient", "gender:missing=yes"),
        ("Patient", "_sort=favourite-colour"),
        ("Patient", "_total=some"),
        ("Patient", "name=a,,b"),
        ("Observation", "subject:Patient=Group/1"),
        ("Observation", "subject=a b"),
    ] {
        assert!(read(of, query).is_err(), "{query}");
    }
}

#[test]
fn searches_are_bounded() {
    let many = ["gender=male"; limits::SEARCH_PARAMETERS_MAX + 1].join("&");
    assert_eq!(read("Patient", &many).unwrap_err().code, "too-costly");
    let wide = format!("gender={}", ["x"; limits::SEARCH_ALTERNATIVES_MAX + 1].join(","));
    assert_eq!(read("Patient", &wide).unwrap_err().code, "too-costly");
    let sorted = format!("_sort={}", ["_id"; limits::SORT_KEYS_MAX + 1].join(","));
    assert_eq!(read("Patient", &sorted).unwrap_err().code, "too-costly");
}
