//! What a search means, case by case.

use firewarden_fhir::definitions::compartment;
use firewarden_fhir::request::parse_query;
use firewarden_fhir::search::{
    Criterion, Direction, Handling, ParseSearch, Prefix, ReferenceValue, SearchQuery, SortBy,
    StringMatch, TokenValue, TotalMode, escape,
};
use firewarden_fhir::{Id, Issue, ResourceType, Target, Timestamp, limits};

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
    for query in [
        "favourite-colour=red",
        "name=",
        "_elements=id",
        "_include=Observation:favourite",
        "_include=Observation:code",
        "_include=Observation",
        "_include=Nothing:subject",
        "_include=Observation:subject:Nothing",
        "_include=Observation:subject:Practitioner",
        "_include:always=Observation:subject",
        "_revinclude=Nothing:*",
    ] {
        let lenient = read("Patient", query).unwrap();
        assert_eq!((lenient.applied.len(), lenient.ignored.len()), (0, 1), "{query}");
        assert!(read_as(Handling::Strict, "Patient", query).is_err(), "{query}");
    }
}

#[test]
fn what_would_narrow_and_cannot_be_applied_is_an_error() {
    for (of, query) in [
        ("Observation", "subject.favourite=x"),
        ("Observation", "subject:Practitioner.name=x"),
        ("Observation", "subject:Nothing.name=x"),
        ("Observation", "code.name=x"),
        ("Observation", "subject:Patient.birthdate=yesterday"),
        ("Observation", "subject.=x"),
        ("Observation", "favourite.name=x"),
        ("Patient", "_has:Observation:subject=x"),
        ("Patient", "_has:Nothing:subject:code=x"),
        ("Patient", "_has:Observation:favourite:code=x"),
        ("Patient", "_has:Observation:code:code=x"),
        ("Patient", "_has:Observation:subject:favourite=x"),
        ("Patient", "_has:Observation:performer:_has:x=x"),
        ("Practitioner", "_has:Observation:subject:code=x"),
        ("Patient", "_has=x"),
        ("Patient", "_id:not=x"),
        ("Patient", "gender:in=http://x"),
        ("Patient", "gender:exact=x"),
        ("Patient", "name:not=x"),
        ("Patient", "birthdate:exact=2000"),
        ("Observation", "code-value-quantity=a$5"),
        ("Patient", "birthdate=yesterday"),
        ("Patient", "birthdate=2000-02-30"),
        ("Patient", "gender:missing=yes"),
        ("Patient", "_sort=favourite-colour"),
        ("Observation", "_sort=subject.favourite"),
        ("Observation", "_sort=subject.identifier"),
        ("Observation", "_sort=code.name"),
        ("Observation", "_sort=subject:Nothing.name"),
        ("Observation", "_sort=subject:Patient.organization.name"),
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
    let deep = |links: usize| format!("{}name=x", "link:Patient.".repeat(links));
    assert!(read("Patient", &deep(limits::CHAIN_DEPTH_MAX)).is_ok());
    assert_eq!(read("Patient", &deep(limits::CHAIN_DEPTH_MAX + 1)).unwrap_err().code, "too-costly");
    let has = |links: usize| format!("{}name=x", "_has:Patient:link:".repeat(links));
    assert!(read("Patient", &has(limits::CHAIN_DEPTH_MAX)).is_ok());
    assert_eq!(read("Patient", &has(limits::CHAIN_DEPTH_MAX + 1)).unwrap_err().code, "too-costly");
    let chains = vec![deep(limits::CHAIN_DEPTH_MAX); limits::CHAINED_TYPES_MAX / 4 + 1].join("&");
    assert_eq!(read("Patient", &chains).unwrap_err().code, "too-costly");
    assert_eq!(read("Provenance", "target.target.code=x").unwrap_err().code, "too-costly");
    let includes = ["_revinclude:iterate=*", "_include:iterate=*"].join("&");
    assert_eq!(read("Patient", &includes).unwrap_err().code, "too-costly");
}

/// A criterion as its author might write it down.
fn shown(criterion: &Criterion) -> String {
    let all = |criteria: &[Criterion]| criteria.iter().map(shown).collect::<Vec<_>>().join(" and ");
    match criterion {
        Criterion::Chain { parameter, targets } => {
            let targets = targets.iter().map(|(of, criteria)| format!("{of}({})", all(criteria)));
            format!("{} -> {}", parameter.code, targets.collect::<Vec<_>>().join(" or "))
        }
        Criterion::Has { source, parameter, criteria } => {
            format!("{source} by {}({})", parameter.code, all(criteria))
        }
        Criterion::Any(alternatives) => {
            let alternatives: Vec<String> = alternatives.iter().map(|c| all(c)).collect();
            format!("any({})", alternatives.join(" or "))
        }
        Criterion::Id(ids) => format!("_id={ids:?}"),
        Criterion::LastUpdated(_) => "_lastUpdated".to_owned(),
        Criterion::Missing { parameter, .. }
        | Criterion::String { parameter, .. }
        | Criterion::Token { parameter, .. }
        | Criterion::Reference { parameter, .. }
        | Criterion::Date { parameter, .. }
        | Criterion::Number { parameter, .. }
        | Criterion::Quantity { parameter, .. }
        | Criterion::Uri { parameter, .. } => parameter.code.to_string(),
    }
}

#[test]
fn chains_lead_to_every_type_that_has_the_parameter_and_to_no_other() {
    for (of, query, expected) in [
        ("Observation", "subject:Patient.name=x", "subject -> Patient(name)"),
        ("Observation", "subject.name=x", "subject -> Location(name) or Patient(name)"),
        ("Observation", "subject.birthdate=2000", "subject -> Patient(birthdate)"),
        ("Observation", "patient._id=a", "patient -> Group(_id=[a]) or Patient(_id=[a])"),
        ("Observation", "patient:Patient._lastUpdated=ge2020", "patient -> Patient(_lastUpdated)"),
        ("Observation", "patient.name:exact=x", "patient -> Patient(name)"),
        ("Observation", "patient.deceased:missing=true", "patient -> Patient(deceased)"),
        (
            "Observation",
            "patient.organization.partof:Organization.name=x",
            "patient -> Patient(organization -> Organization(partof -> Organization(name)))",
        ),
        ("Patient", "_has:Observation:patient:code=x", "Observation by patient(code)"),
        (
            "Patient",
            "_has:Observation:patient:_has:AuditEvent:entity:agent=x",
            "Observation by patient(AuditEvent by entity(agent))",
        ),
        (
            "Patient",
            "_has:Observation:patient:performer:Practitioner.name=x",
            "Observation by patient(performer -> Practitioner(name))",
        ),
        (
            "Encounter",
            "patient._has:Group:member:_id=a",
            "patient -> Group(Group by member(_id=[a])) or Patient(Group by member(_id=[a]))",
        ),
    ] {
        assert_eq!(shown(&criterion(of, query)), expected, "{query}");
    }
}

#[test]
fn includes_name_what_is_followed() {
    let includes = |of: &str, query: &str| {
        let read = read(of, query).unwrap();
        assert_eq!((read.ignored.len(), read.applied.len()), (0, 1), "{query}");
        read.includes
    };
    let one = |of: &str, query: &str| {
        let includes = includes(of, query);
        let [include] = includes.as_slice() else { panic!("{query}: {includes:?}") };
        let codes: Vec<&str> = include.parameters.iter().map(|p| &*p.code).collect();
        let target = include.target.map(ResourceType::name);
        (include.direction, include.source.name(), codes.join(","), target, include.iterate)
    };
    let (forward, reverse) = (Direction::Forward, Direction::Reverse);
    let subject = || "subject".to_owned();
    for (query, expected) in [
        ("_include=Observation:subject", (forward, "Observation", subject(), None, false)),
        (
            "_include=Observation:subject:Patient",
            (forward, "Observation", subject(), Some("Patient"), false),
        ),
        ("_include:iterate=Patient:link", (forward, "Patient", "link".to_owned(), None, true)),
        ("_include:recurse=Patient:link", (forward, "Patient", "link".to_owned(), None, true)),
        ("_revinclude=DiagnosticReport:result", {
            (reverse, "DiagnosticReport", "result".to_owned(), None, false)
        }),
    ] {
        assert_eq!(one("Observation", query), expected, "{query}");
    }
    let (_, source, codes, ..) = one("Observation", "_include=*");
    assert_eq!(source, "Observation");
    assert!(codes.contains("subject") && codes.contains("encounter") && !codes.contains("code"));
    assert_eq!(one("Observation", "_include=Observation:*").2, codes);
    let to_patients = includes("Patient", "_revinclude=*");
    assert!(to_patients.len() > 40 && to_patients.len() <= limits::INCLUDES_MAX);
    let patient = ResourceType::parse("Patient").unwrap();
    assert!(to_patients.iter().flat_map(|i| &i.parameters).all(|p| p.may_refer_to(patient)));
}

#[test]
fn a_sort_goes_through_a_reference_to_one_type() {
    for (query, target, code, descending) in [
        ("_sort=subject:Patient.name", "Patient", "name", false),
        ("_sort=-subject.birthdate", "Patient", "birthdate", true),
        ("_sort=-patient.family", "Patient", "family", true),
    ] {
        let mut read = read("Observation", query).unwrap();
        let key = read.sort.remove(0);
        let SortBy::Through { target: of, by, criteria, .. } = key.by else { panic!("{query}") };
        assert_eq!((of.name(), &*by.code, key.descending), (target, code, descending), "{query}");
        assert_eq!(criteria, [], "{query}");
    }
}

fn criteria(of: &str, text: &str) -> Result<Vec<Criterion>, Issue> {
    let base_url = "http://localhost:8080/fhir";
    let parse = ParseSearch { base_url, now: Timestamp::UNIX_EPOCH, handling: Handling::Lenient };
    parse.criteria(ResourceType::parse(of).unwrap(), text)
}

#[test]
fn criteria_are_read_strictly_and_alone() {
    let read = criteria("Observation", "subject=Patient/1&_has:AuditEvent:entity:agent=x").unwrap();
    let shown: Vec<String> = read.iter().map(shown).collect();
    assert_eq!(shown, ["subject", "AuditEvent by entity(agent)"]);
    for text in [
        "",
        "&",
        "favourite=x",
        "subject",
        "subject=",
        "subject=Patient/1&favourite=x",
        "subject=Patient/1&_count=1",
        "subject=Patient/1&_sort=date",
        "subject=Patient/1&_include=Observation:subject",
        "subject=Patient/1&_format=json",
        "subject=Patient/1,",
        "subject=%zz",
    ] {
        assert!(criteria("Observation", text).is_err(), "{text}");
    }
}

#[test]
fn a_bound_value_is_one_value_and_never_more() {
    let base_url = "http://localhost:8080/fhir";
    let parse = ParseSearch { base_url, now: Timestamp::UNIX_EPOCH, handling: Handling::Strict };
    let bound = |of: &str, name: &str, before: &str, value: &str, after: &str| {
        let value = format!("{before}{}{after}", escape(value).unwrap());
        let of = ResourceType::parse(of).unwrap();
        parse.criteria_of(of, &[(name.to_owned(), value)])
    };
    let tokens = |value: &str| match bound("Patient", "identifier", "s|", value, "") {
        Ok(criteria) => match criteria.as_slice() {
            [Criterion::Token { values, .. }] => values.clone(),
            other => panic!("{other:?}"),
        },
        Err(issue) => panic!("{issue:?}"),
    };
    for value in ["1", "1,2", "|1", r"1\", r"\,1", "$", "s|x,s|y", "ne1"] {
        assert_eq!(tokens(value), [TokenValue::SystemCode("s".into(), value.into())], "{value}");
    }
    let written = criteria("Patient", "birthdate=2000-01-01").unwrap();
    assert_eq!(bound("Patient", "birthdate", "", "2000-01-01", "").unwrap(), written);
    assert_eq!(bound("Patient", "birthdate", "2000-", "01", "-01").unwrap(), written);
    let later = criteria("Patient", "birthdate=ge2000-01-01").unwrap();
    assert_eq!(bound("Patient", "birthdate", "ge", "2000-01-01", "").unwrap(), later);
    let number = criteria("Observation", "value-quantity=5.4||mg").unwrap();
    assert_eq!(bound("Observation", "value-quantity", "", "5.4", "||mg").unwrap(), number);
    let local = criteria("Observation", "subject=Patient/A").unwrap();
    assert_eq!(bound("Observation", "subject", "Patient/", "A", "").unwrap(), local);
    let named = criteria("Observation", "subject:Patient.family=ne").unwrap();
    assert_eq!(bound("Observation", "subject:Patient.family", "", "ne", "").unwrap(), named);
    let by_id = criteria("Patient", "_id=A").unwrap();
    assert_eq!(bound("Patient", "_id", "", "A", "").unwrap(), by_id);
    assert_eq!(bound("Patient", "_id", "", "A,B", "").unwrap(), [Criterion::Id(Vec::new())]);
    for (of, name, before, value, after) in [
        ("Patient", "birthdate", "", "ne2000-01-01", ""),
        ("Patient", "birthdate", "", "2000,2001", ""),
        ("Patient", "birthdate", "ge", "lt2000", ""),
        ("Observation", "value-quantity", "", "ge0", "||mg"),
        ("Observation", "value-quantity", "", "5||mg", ""),
        ("Observation", "subject", "Patient/", "A,Patient/B", ""),
        ("Observation", "subject", "Patient/", "../Group/B", ""),
        ("Patient", "gender:missing", "", "false,true", ""),
    ] {
        assert!(bound(of, name, before, value, after).is_err(), "{name}={before}{value}{after}");
    }
}

#[test]
fn a_compartment_holds_what_refers_to_its_resource_and_that_resource() {
    let of = |name: &str| ResourceType::parse(name).unwrap();
    let a = |name: &str| Target::new(of(name), Id::parse("A").unwrap());
    for (compartment, member, expected) in [
        ("Patient", "Observation", Some("any(subject or performer)")),
        ("Patient", "Patient", Some("any(_id=[A] or link)")),
        ("Encounter", "Encounter", Some("any(_id=[A])")),
        ("Encounter", "Observation", Some("any(encounter)")),
        ("Patient", "Organization", None),
        ("Patient", "User", None),
        ("Observation", "Observation", None),
        ("Organization", "Patient", None),
    ] {
        let criterion = compartment::criterion(&a(compartment), of(member));
        assert_eq!(criterion.as_ref().map(shown).as_deref(), expected, "{compartment} {member}");
        let Some(Criterion::Any(ways)) = criterion else { continue };
        for way in ways.iter().flatten() {
            if let Criterion::Reference { values, .. } = way {
                assert_eq!(*values, [ReferenceValue::Target(a(compartment))]);
            }
        }
    }
}
