//! Random resources and random searches: the store finds what the model finds, page by page.

use firewarden_fhir::Timestamp;
use firewarden_fhir::extract::extract;
use firewarden_fhir::search::{Criterion, SearchQuery, SortBy};
use firewarden_store::Store;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::matching::{Row, World, put_in_order};
use super::searches::{ids, page, query, walk};
use crate::opened::*;

const DATES: &[&str] =
    &["2020", "2020-02", "2020-02-29", "2020-03-01T10:00:00Z", "2021-12-31T23:59:59.500Z", "2023"];
const NUMBERS: &[&str] = &["-1", "0", "0.5", "0.50", "0.54", "1", "1.0", "100", "1e2"];
const TEXTS: &[&str] = &["a", "A b", "äb", "Ab  c", "abc", "b", "é", "üb a"];
const CODES: &[&str] = &["x", "y", "z"];
const SYSTEMS: &[&str] = &["urn:s", "urn:t"];
const TARGETS: &[&str] = &[
    "Patient/1",
    "Patient/2",
    "Group/1",
    "http://localhost/fhir/Patient/2",
    "http://other/Patient/1",
    "urn:uuid:1",
];
/// What may be in the same store.
const LINKED: &[&str] = &[
    "Patient/r0",
    "Patient/r1",
    "Patient/r2/_history/1",
    "http://localhost/fhir/Patient/r3",
    "Patient/r4",
    "Patient/r99",
    "Group/r1",
    "http://other/Patient/r1",
];
const URLS: &[&str] = &["http://c", "http://c|1", "http://c|2", "http://cc"];

fn member(
    name: &'static str,
    value: impl Strategy<Value = String>,
) -> impl Strategy<Value = String> {
    prop_oneof![1 => Just(String::new()), 3 => value.prop_map(move |v| format!(r#","{name}":{v}"#))]
}

fn quoted(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(texts).prop_map(|text| format!(r#""{text}""#))
}

fn coding() -> impl Strategy<Value = String> {
    let system = prop::option::of(select(SYSTEMS));
    (system, select(CODES)).prop_map(|(system, code)| match system {
        Some(system) => format!(r#"{{"system":"{system}","code":"{code}"}}"#),
        None => format!(r#"{{"code":"{code}"}}"#),
    })
}

fn array(item: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(item, 1..4).prop_map(|items| format!("[{}]", items.join(",")))
}

fn observation() -> impl Strategy<Value = String> {
    let reference = select(TARGETS).prop_map(|t| format!(r#"{{"reference":"{t}"}}"#));
    let effective = prop_oneof![
        member("effectiveDateTime", quoted(DATES)),
        (prop::option::of(select(DATES)), prop::option::of(select(DATES))).prop_map(
            |(start, end)| {
                let part = |name, at: Option<_>| at.map(|at| format!(r#""{name}":"{at}""#));
                let parts: Vec<_> =
                    [part("start", start), part("end", end)].into_iter().flatten().collect();
                format!(r#","effectivePeriod":{{{}}}"#, parts.join(","))
            }
        ),
    ];
    let quantity =
        (select(NUMBERS), prop::option::of(select(SYSTEMS)), prop::option::of(select(CODES)))
            .prop_map(|(number, system, code)| {
                let system = system.map(|s| format!(r#","system":"{s}""#)).unwrap_or_default();
                let code =
                    code.map(|c| format!(r#","code":"{c}","unit":"{c}{c}""#)).unwrap_or_default();
                format!(r#"{{"value":{number}{system}{code}}}"#)
            });
    (
        member("status", quoted(CODES)),
        member("code", array(coding()).prop_map(|codings| format!(r#"{{"coding":{codings}}}"#))),
        member("subject", reference),
        effective,
        member("valueQuantity", quantity),
        member("valueString", quoted(TEXTS)),
    )
        .prop_map(|(a, b, c, d, e, f)| {
            format!(r#"{{"resourceType":"Observation"{a}{b}{c}{d}{e}{f}}}"#)
        })
        // A value is a quantity or a text.
        .prop_map(|json| match json.contains("valueQuantity") {
            true => json.replace("valueString", "_ignored"),
            false => json,
        })
}

fn patient() -> impl Strategy<Value = String> {
    let name =
        (select(TEXTS), prop::collection::vec(select(TEXTS), 0..3)).prop_map(|(family, given)| {
            let given: Vec<_> = given.iter().map(|g| format!(r#""{g}""#)).collect();
            format!(r#"{{"family":"{family}","given":[{}]}}"#, given.join(","))
        });
    (
        member("name", array(name)),
        member("gender", quoted(CODES)),
        member("birthDate", quoted(&["1990", "1990-02", "1990-02-03", "2000-01-01"])),
    )
        .prop_map(|(a, b, c)| format!(r#"{{"resourceType":"Patient"{a}{b}{c}}}"#))
}

fn risk() -> impl Strategy<Value = String> {
    let prediction = prop_oneof![
        select(NUMBERS).prop_map(|n| format!(r#"{{"probabilityDecimal":{n}}}"#)),
        (select(NUMBERS), select(NUMBERS)).prop_map(|(a, b)| format!(
            r#"{{"probabilityRange":{{"low":{{"value":{a}}},"high":{{"value":{b}}}}}}}"#
        )),
    ];
    member("prediction", array(prediction))
        .prop_map(|a| format!(r#"{{"resourceType":"RiskAssessment"{a}}}"#))
}

fn answers() -> impl Strategy<Value = String> {
    member("questionnaire", quoted(URLS))
        .prop_map(|a| format!(r#"{{"resourceType":"QuestionnaireResponse"{a}}}"#))
}

/// A resource that others refer to, or that refers to others.
pub(crate) fn linked() -> BoxedStrategy<String> {
    let reference = || select(LINKED).prop_map(|t| format!(r#"{{"reference":"{t}"}}"#));
    let link = reference().prop_map(|t| format!(r#"{{"other":{t},"type":"seealso"}}"#));
    let with = |json: String, more: String| format!("{}{more}}}", json.strip_suffix('}').unwrap());
    let subject =
        (observation(), member("subject", reference()), member("performer", array(reference())));
    let subject = subject.prop_map(move |(json, subject, performer)| {
        with(json.replace(r#""subject""#, r#""_unused""#), subject + &performer)
    });
    let patient = (patient(), member("link", array(link)));
    prop_oneof![subject, patient.prop_map(move |(json, link)| with(json, link))].boxed()
}

/// A criterion that looks at other resources, as it stands in a URL.
pub(crate) fn linking(of: &'static str, depth: usize) -> BoxedStrategy<String> {
    if depth == 0 {
        return criterion(of);
    }
    let patient = || linking("Patient", depth - 1);
    let prefixed = |prefix: &'static str, of: BoxedStrategy<String>| {
        of.prop_map(move |c| format!("{prefix}{c}"))
    };
    match of {
        "Patient" => prop_oneof![
            prefixed("link:Patient.", patient()),
            prefixed("_has:Observation:patient:", linking("Observation", depth - 1)),
            prefixed("_has:Observation:performer:", linking("Observation", depth - 1)),
            prefixed("_has:Patient:link:", patient()),
            criterion("Patient"),
        ]
        .boxed(),
        _ => prop_oneof![
            prefixed("patient.", patient()),
            prefixed("subject:Patient.", patient()),
            prefixed("performer:Patient.", patient()),
            criterion("Observation"),
        ]
        .boxed(),
    }
}

/// Alternatives, as the rows of several policies and a compartment are.
fn any_of(of: &'static str) -> impl Strategy<Value = Criterion> {
    let alternative = prop::collection::vec(linking(of, 1), 0..3)
        .prop_map(move |criteria| query(&format!("{of}?{}", criteria.join("&"))).criteria);
    prop::collection::vec(alternative, 0..4).prop_map(Criterion::Any)
}

/// A search with criteria and sort keys that look at other resources.
fn linking_search(of: &'static str) -> impl Strategy<Value = SearchQuery> {
    let sorts: &'static [&'static str] = match of {
        "Observation" => {
            &["subject:Patient.family", "performer:Patient.birthdate", "patient.gender", "date"]
        }
        _ => &["link:Patient.family", "link:Patient._id", "birthdate", "link:Patient.birthdate"],
    };
    let sorts: Vec<_> = sorts.iter().copied().filter(|sort| !sort.ends_with("_id")).collect();
    let key = (any::<bool>(), select(sorts))
        .prop_map(|(d, key)| format!("{}{key}", if d { "-" } else { "" }));
    let sort = prop::collection::vec(key, 0..3);
    let criteria = prop::collection::vec((0..3usize).prop_flat_map(move |d| linking(of, d)), 0..3);
    (criteria, prop::option::of(any_of(of)), any_of("Patient"), (sort, 1..6u32)).prop_map(
        move |(criteria, any, targets, (sort, count))| {
            let sort =
                if sort.is_empty() { String::new() } else { format!("&_sort={}", sort.join(",")) };
            let mut query = query(&format!("{of}?{}{sort}&_count={count}", criteria.join("&")));
            query.criteria.extend(any);
            for key in &mut query.sort {
                if let SortBy::Through { criteria, .. } = &mut key.by
                    && count % 2 == 0
                {
                    criteria.push(targets.clone());
                }
            }
            query
        },
    )
}

fn values(
    prefixes: &'static [&'static str],
    texts: &'static [&'static str],
) -> impl Strategy<Value = String> {
    let one =
        (select(prefixes), select(texts)).prop_map(|(prefix, text)| format!("{prefix}{text}"));
    prop::collection::vec(one, 1..3).prop_map(|all| all.join(","))
}

const PREFIXES: &[&str] = &["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];
const TOKEN_PREFIXES: &[&str] = &["", "", "|", "urn:s|", "urn:never|"];

/// A criterion, as it stands in a URL.
fn criterion(of: &'static str) -> BoxedStrategy<String> {
    let named = |name: &'static str, values: BoxedStrategy<String>| {
        values.prop_map(move |value| format!("{name}={value}")).boxed()
    };
    let missing = |name: &'static str| {
        any::<bool>().prop_map(move |missing| format!("{name}:missing={missing}")).boxed()
    };
    let tokens = || values(TOKEN_PREFIXES, CODES).boxed();
    let dates = || values(PREFIXES, DATES).boxed();
    let numbers = || values(PREFIXES, NUMBERS).boxed();
    let own: Vec<BoxedStrategy<String>> = match of {
        "Observation" => vec![
            named("code", tokens()),
            named("code:not", tokens()),
            named("code", Just("urn:t|".to_owned()).boxed()),
            named("status", tokens()),
            named("subject", values(&[""], TARGETS).boxed()),
            named("subject", values(&[""], &["1", "2", "3"]).boxed()),
            named("patient", values(&[""], &["1", "Patient/2"]).boxed()),
            named("date", dates()),
            named("value-quantity", numbers()),
            named(
                "value-quantity",
                (numbers(), select(&["urn:s|x", "|x", "|xx", "urn:s|"][..]))
                    .prop_map(|(n, unit)| format!("{}|{unit}", n.split(',').next().unwrap()))
                    .boxed(),
            ),
            named("value-string", values(&[""], TEXTS).boxed()),
            missing("date"),
            missing("value-quantity"),
        ],
        "Patient" => vec![
            named("family", values(&[""], TEXTS).boxed()),
            named("given:exact", values(&[""], TEXTS).boxed()),
            named("name:contains", values(&[""], TEXTS).boxed()),
            named("gender:not", tokens()),
            named("birthdate", dates()),
            missing("name"),
        ],
        "RiskAssessment" => vec![named("probability", numbers()), missing("probability")],
        _ => vec![named("questionnaire", values(&[""], URLS).boxed())],
    };
    let any_type = vec![
        values(&[""], &["r1", "r2", "r3", "r99"]).prop_map(|ids| format!("_id={ids}")).boxed(),
        values(PREFIXES, &["2023-11-14T22:13:20.003Z", "2023-11-14T22:13:20Z", "2023-11"])
            .prop_map(|dates| format!("_lastUpdated={dates}"))
            .boxed(),
    ];
    prop_oneof![6 => prop::strategy::Union::new(own), 1 => prop::strategy::Union::new(any_type)]
        .boxed()
}

fn search(of: &'static str) -> impl Strategy<Value = SearchQuery> {
    let sorts: &'static [&'static str] = match of {
        "Observation" => &["code", "subject", "date", "value-quantity", "value-string", "_id"],
        "Patient" => &["family", "given", "gender", "birthdate", "_lastUpdated"],
        "RiskAssessment" => &["probability", "_lastUpdated"],
        _ => &["questionnaire", "_id"],
    };
    let key = (any::<bool>(), select(sorts))
        .prop_map(|(d, key)| format!("{}{key}", if d { "-" } else { "" }));
    let sort = prop_oneof![
        3 => Just(String::new()),
        1 => select(&["&_sort=_lastUpdated", "&_sort=-_lastUpdated"][..]).prop_map(str::to_owned),
        3 => prop::collection::vec(key, 1..3).prop_map(|keys| format!("&_sort={}", keys.join(","))),
    ];
    (prop::collection::vec(criterion(of), 0..4), sort, 1..8u32).prop_map(
        move |(criteria, sort, count)| {
            query(&format!("{of}?{}{sort}&_count={count}", criteria.join("&")))
        },
    )
}

/// Writes the resources, each replaced and some deleted, and says what is there.
async fn world(store: &Store, resources: &[(String, bool)]) -> World {
    let mut world = World::default();
    for (key, (json, gone)) in resources.iter().enumerate() {
        let content: serde_json::Value = serde_json::from_str(json).unwrap();
        let name = content["resourceType"].as_str().unwrap();
        let on = format!("{name}/r{key}");
        // Replaced twice, so that index rows come and go.
        let other = &resources[(key + 1) % resources.len()].0;
        let milliseconds = (key % 5) as i64;
        write_at(store, milliseconds, vec![create(&on, other), put(&on, json)]).await.unwrap();
        if *gone {
            write(store, vec![delete(&on)]).await.unwrap();
            continue;
        }
        world.rows.push(row(name, key, json, at(milliseconds)));
    }
    world
}

/// A resource as the model knows it.
pub(crate) fn row(name: &str, key: usize, json: &str, updated: Timestamp) -> Row {
    let content = firewarden_fhir::json::parse(json.as_bytes()).unwrap();
    let mut values = extract(of(name), content.as_object().unwrap(), BASE_URL);
    values.iter_mut().for_each(|value| put_in_order(&mut value.value));
    Row { resource_type: of(name), id: format!("r{key}"), updated, key, values }
}

/// The store finds and counts what the model does.
pub(crate) async fn agree(store: &Store, world: &World, asked: &SearchQuery) {
    let expected = world.matches(asked);
    assert_eq!(walk(store, asked).await, expected, "{asked:?}");
    let counted = SearchQuery { count: 0, ..asked.clone() };
    let counted = page(store, &counted).await;
    assert_eq!(counted.total, Some(expected.len() as u64), "{asked:?}");
    assert_eq!(ids(&counted), [""; 0]);
}

fn check(resources: &[(String, bool)], queries: &[SearchQuery]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Opened { store, .. } = &open();
        let world = world(store, resources).await;
        for asked in queries {
            agree(store, &world, asked).await;
        }
    });
}

fn contents(of: &'static str) -> BoxedStrategy<String> {
    match of {
        "Observation" => observation().boxed(),
        "Patient" => patient().boxed(),
        "RiskAssessment" => risk().boxed(),
        _ => answers().boxed(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_store_finds_what_the_model_finds(
        (resources, queries) in select(&["Observation", "Patient", "RiskAssessment", "QuestionnaireResponse"][..])
            .prop_flat_map(|of| (
                prop::collection::vec((contents(of), prop::bool::weighted(0.1)), 1..25),
                prop::collection::vec(search(of), 12),
            ))
    ) {
        check(&resources, &queries);
    }

    #[test]
    fn what_is_linked_decides_as_it_does_in_the_model(
        resources in prop::collection::vec((linked(), prop::bool::weighted(0.1)), 1..16),
        observations in prop::collection::vec(linking_search("Observation"), 14),
        patients in prop::collection::vec(linking_search("Patient"), 14),
    ) {
        check(&resources, &[observations, patients].concat());
    }

    #[test]
    fn criteria_hold_for_each_other(kept in subsequence(&["code=x", "status=y", "date=gt2020", "subject=1"][..], 0..4)) {
        // An order of criteria is no part of a search.
        let text = |criteria: &[&str]| format!("Observation?{}", criteria.join("&"));
        let mut reversed = kept.clone();
        reversed.reverse();
        let resources: Vec<_> = ["x", "y"].iter().flat_map(|code| ["x", "y"].map(|status| (format!(
            r#"{{"resourceType":"Observation","code":{{"coding":[{{"code":"{code}"}}]}},"status":"{status}",
            "effectiveDateTime":"2021","subject":{{"reference":"Patient/1"}}}}"#
        ), false))).collect();
        check(&resources, &[query(&text(&kept)), query(&text(&reversed))]);
    }
}
