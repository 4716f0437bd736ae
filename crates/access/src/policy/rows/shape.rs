//! Whether criteria with bound values still say what their author wrote, and what a value must be.

use firewarden_fhir::search::{Criterion, ReferenceValue, TokenValue};
use firewarden_fhir::{Id, search};

use super::template::Place;

/// Whether two readings differ in nothing but their values: the same parameters, modifiers,
/// prefixes and alternatives in the same order.
pub(super) fn same_shape(ours: &[Criterion], theirs: &[Criterion]) -> bool {
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(a, b))
}

fn same(ours: &Criterion, theirs: &Criterion) -> bool {
    use Criterion::{
        Any, Chain, Date, Has, Id, LastUpdated, Missing, Number, Quantity, Reference, String,
        Token, Uri,
    };
    match (ours, theirs) {
        (Id(a), Id(b)) => a.len() == b.len(),
        (LastUpdated(a), LastUpdated(b)) => alike(a, b, |a, b| a.prefix == b.prefix),
        (Missing { .. }, Missing { .. }) => ours == theirs,
        (
            String { parameter: p, how: h, values: a },
            String { parameter: q, how: i, values: b },
        ) => p == q && h == i && a.len() == b.len(),
        (
            Token { parameter: p, negated: n, values: a },
            Token { parameter: q, negated: m, values: b },
        ) => p == q && n == m && alike(a, b, same_token),
        (Reference { parameter: p, values: a }, Reference { parameter: q, values: b }) => {
            p == q && a.len() == b.len()
        }
        (Date { parameter: p, values: a }, Date { parameter: q, values: b }) => {
            p == q && alike(a, b, |a, b| a.prefix == b.prefix)
        }
        (Number { parameter: p, values: a }, Number { parameter: q, values: b }) => {
            p == q && alike(a, b, |a, b| a.prefix == b.prefix)
        }
        (Quantity { parameter: p, values: a }, Quantity { parameter: q, values: b }) => {
            p == q
                && alike(a, b, |a, b| {
                    a.number.prefix == b.number.prefix
                        && a.system.is_some() == b.system.is_some()
                        && a.code.is_some() == b.code.is_some()
                })
        }
        (Uri { parameter: p, values: a }, Uri { parameter: q, values: b }) => {
            p == q && a.len() == b.len()
        }
        (Chain { parameter: p, targets: a }, Chain { parameter: q, targets: b }) => {
            p == q && alike(a, b, |a, b| a.0 == b.0 && same_shape(&a.1, &b.1))
        }
        (
            Has { source: s, parameter: p, criteria: a },
            Has { source: t, parameter: q, criteria: b },
        ) => s == t && p == q && same_shape(a, b),
        (Any(a), Any(b)) => alike(a, b, |a, b| same_shape(a, b)),
        (
            Id(_)
            | LastUpdated(_)
            | Missing { .. }
            | String { .. }
            | Token { .. }
            | Reference { .. }
            | Date { .. }
            | Number { .. }
            | Quantity { .. }
            | Uri { .. }
            | Chain { .. }
            | Has { .. }
            | Any(_),
            _,
        ) => false,
    }
}

fn alike<T>(ours: &[T], theirs: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(a, b))
}

fn same_token(ours: &TokenValue, theirs: &TokenValue) -> bool {
    std::mem::discriminant(ours) == std::mem::discriminant(theirs)
}

/// What values a parameter compares, at the end of its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueKind {
    Id,
    Text,
    Exact,
    Ordered,
    Reference,
}

/// The kinds of the values that a criterion compares; several, where a chain may end in several
/// types.
pub(super) fn kinds(criterion: &Criterion) -> Vec<ValueKind> {
    match criterion {
        Criterion::Id(_) => vec![ValueKind::Id],
        Criterion::String { .. } => vec![ValueKind::Text],
        Criterion::Token { .. } | Criterion::Uri { .. } => vec![ValueKind::Exact],
        Criterion::Reference { .. } => vec![ValueKind::Reference],
        Criterion::LastUpdated(_)
        | Criterion::Date { .. }
        | Criterion::Number { .. }
        | Criterion::Quantity { .. } => vec![ValueKind::Ordered],
        Criterion::Missing { .. } => Vec::new(),
        Criterion::Chain { targets, .. } => {
            targets.iter().flat_map(|(_, criteria)| criteria).flat_map(kinds).collect()
        }
        Criterion::Has { criteria, .. } => criteria.iter().flat_map(kinds).collect(),
        Criterion::Any(ways) => ways.iter().flatten().flat_map(kinds).collect(),
    }
}

/// Whether a value may stand at that place: it must mean itself and nothing else.
pub(super) fn may_stand(value: &str, place: &Place, kind: ValueKind) -> bool {
    match kind {
        ValueKind::Exact => true,
        ValueKind::Id => Id::parse(value).is_some(),
        // What is compared without case and accents may come to nothing, and nothing begins
        // everything.
        ValueKind::Text => value.chars().any(char::is_alphanumeric),
        // A prefix would turn the comparison around.
        ValueKind::Ordered => {
            !place.leads || value.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        }
        // Inside a reference it is an id, and no way to another type, version or server.
        ValueKind::Reference => (place.leads && place.ends) || Id::parse(value).is_some(),
    }
}

/// Whether a reading rests on nothing but its text: not on the time, nor on this server's URL.
pub(super) fn is_fixed(criterion: &Criterion) -> bool {
    let about = |prefix: search::Prefix| prefix == search::Prefix::Ap;
    match criterion {
        Criterion::LastUpdated(values) | Criterion::Date { values, .. } => {
            !values.iter().any(|value| about(value.prefix))
        }
        Criterion::Reference { values, .. } => {
            !values.iter().any(|value| matches!(value, ReferenceValue::Absolute(_)))
        }
        Criterion::Chain { targets, .. } => {
            targets.iter().flat_map(|(_, criteria)| criteria).all(is_fixed)
        }
        Criterion::Has { criteria, .. } => criteria.iter().all(is_fixed),
        Criterion::Any(ways) => ways.iter().flatten().all(is_fixed),
        Criterion::Id(_)
        | Criterion::Missing { .. }
        | Criterion::String { .. }
        | Criterion::Token { .. }
        | Criterion::Number { .. }
        | Criterion::Quantity { .. }
        | Criterion::Uri { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use firewarden_fhir::request::parse_query;
    use firewarden_fhir::search::{Handling, ParseSearch};
    use firewarden_fhir::{ResourceType, Timestamp};

    use super::super::template::Template;
    use super::*;

    fn criteria(of: &str, text: &str) -> Vec<Criterion> {
        let now = Timestamp::UNIX_EPOCH;
        let reader = ParseSearch { base_url: "https://fw/fhir", now, handling: Handling::Strict };
        let of = ResourceType::parse(of).unwrap();
        reader.criteria_of(of, &parse_query(text).unwrap()).unwrap()
    }

    #[test]
    fn criteria_that_differ_in_values_alone_are_of_one_shape() {
        for (of, ours, theirs) in [
            ("Patient", "_id=a,b", "_id=c,d"),
            ("Patient", "_lastUpdated=gt2020", "_lastUpdated=gt2021-02"),
            ("Patient", "name=a", "name=b"),
            ("Patient", "gender:not=male", "gender:not=female"),
            ("Patient", "identifier=a|b", "identifier=c|d"),
            ("Observation", "subject=Patient/1,Patient/2", "subject=Patient/3,Patient/4"),
            ("Patient", "birthdate=lt2000", "birthdate=lt1990-01-01"),
            ("RiskAssessment", "probability=gt0.5", "probability=gt0.25"),
            ("Observation", "value-quantity=lt5|s|u", "value-quantity=lt6|t|v"),
            ("ValueSet", "url=urn:a", "url=urn:b"),
            ("Observation", "subject:Patient.name=a", "subject:Patient.name=b"),
            ("Patient", "_has:Observation:patient:code=a", "_has:Observation:patient:code=b"),
            ("Patient", "name:missing=true", "name:missing=true"),
            ("Patient", "name=a&gender=male", "name=b&gender=female"),
        ] {
            let (ours, theirs) = (criteria(of, ours), criteria(of, theirs));
            assert!(same_shape(&ours, &theirs), "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn criteria_that_say_something_else_are_of_another() {
        for (of, ours, theirs) in [
            ("Patient", "_id=a", "_id=a,b"),
            ("Patient", "_id=a", "name=a"),
            ("Patient", "_id=a", "_id=a&_id=b"),
            ("Patient", "name=a&gender=male", "gender=male&name=a"),
            ("Patient", "_lastUpdated=gt2020", "_lastUpdated=lt2020"),
            ("Patient", "_lastUpdated=gt2020", "_lastUpdated=gt2020,gt2021"),
            ("Patient", "name=a", "name:exact=a"),
            ("Patient", "name=a", "family=a"),
            ("Patient", "name=a", "name=a,b"),
            ("Patient", "gender=male", "gender:not=male"),
            ("Patient", "gender=male", "active=true"),
            ("Patient", "gender=male", "gender=male,female"),
            ("Patient", "identifier=a", "identifier=a|"),
            ("Patient", "identifier=a|b", "identifier=|b"),
            ("Observation", "subject=Patient/1", "performer=Patient/1"),
            ("Observation", "subject=Patient/1", "subject=Patient/1,Patient/2"),
            ("Patient", "birthdate=2000", "birthdate=ne2000"),
            ("Patient", "birthdate=2000", "death-date=2000"),
            ("Patient", "birthdate=2000", "birthdate=2000,2001"),
            ("RiskAssessment", "probability=0.5", "probability=gt0.5"),
            ("RiskAssessment", "probability=0.5", "probability=0.5,0.6"),
            ("Observation", "value-quantity=5|s|u", "value-quantity=gt5|s|u"),
            ("Observation", "value-quantity=5|s|u", "value-quantity=5||u"),
            ("Observation", "value-quantity=5||u", "value-quantity=5"),
            ("Observation", "value-quantity=5", "component-value-quantity=5"),
            ("ValueSet", "url=urn:a", "url=urn:a,urn:b"),
            ("ValueSet", "url=urn:a", "reference=urn:a"),
            ("Observation", "subject:Patient.name=a", "subject:Patient.family=a"),
            ("Observation", "subject:Patient.name=a", "subject:Group.code=a"),
            ("Observation", "subject:Patient.name=a", "performer:Patient.name=a"),
            ("Observation", "subject:Patient.name=a", "subject:Patient.name=a,b"),
            ("Patient", "_has:Observation:patient:code=a", "_has:Observation:patient:code=a,b"),
            ("Patient", "_has:Observation:patient:code=a", "_has:Observation:focus:code=a"),
            ("Patient", "_has:Observation:patient:code=a", "_has:Condition:patient:code=a"),
            ("Patient", "name:missing=true", "name:missing=false"),
            ("Patient", "name:missing=true", "gender:missing=true"),
        ] {
            let (ours, theirs) = (criteria(of, ours), criteria(of, theirs));
            assert!(!same_shape(&ours, &theirs), "{ours:?} {theirs:?}");
            assert!(!same_shape(&theirs, &ours), "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn alternatives_are_of_one_shape_each_for_each() {
        let any = |ways: &[&str]| {
            vec![Criterion::Any(ways.iter().map(|way| criteria("Patient", way)).collect())]
        };
        assert!(same_shape(&any(&["_id=a", "name=b"]), &any(&["_id=c", "name=d"])));
        assert!(!same_shape(&any(&["_id=a", "name=b"]), &any(&["_id=c", "_id=d"])));
        assert!(!same_shape(&any(&["_id=a"]), &any(&["_id=a", "_id=b"])));
        assert!(!same_shape(&any(&["_id=a"]), &criteria("Patient", "_id=a")));
    }

    fn place(text: &str) -> Template {
        Template::read(text).unwrap()
    }

    #[test]
    fn a_value_stands_where_it_means_itself_and_nothing_else() {
        use ValueKind::{Exact, Id, Ordered, Reference, Text};
        let (alone, inside, behind) = ("{{user.id}}", "Patient/{{user.id}}", "{{user.id}}-01");
        for (text, kind, value, stands) in [
            (alone, Exact, "anything|at all", true),
            (alone, Id, "a-1", true),
            (alone, Id, "a/1", false),
            (alone, Id, "", false),
            (alone, Text, "a", true),
            (alone, Text, "  -", false),
            (alone, Text, "'", false),
            (alone, Ordered, "2020", true),
            (alone, Ordered, "-5", true),
            // A prefix would turn the comparison around.
            (alone, Ordered, "lt2020", false),
            (alone, Ordered, "ne2020", false),
            (alone, Ordered, "", false),
            (behind, Ordered, "2020", true),
            (behind, Ordered, "ge2020", false),
            ("gt{{user.id}}", Ordered, "2020", true),
            ("gt{{user.id}}", Ordered, "lt2020", true),
            (alone, Reference, "Patient/1", true),
            (inside, Reference, "1", true),
            // Inside a reference it is an id, and no way to another.
            (inside, Reference, "1/_history/2", false),
            (inside, Reference, "../Group/1", false),
            (behind, Reference, "Patient/1", false),
        ] {
            let template = place(text);
            let place = template.places().next().unwrap();
            assert_eq!(may_stand(value, place, kind), stands, "{text} {kind:?} `{value}`");
        }
    }

    #[test]
    fn a_reading_rests_on_its_text_alone_but_for_the_time_and_the_url() {
        for (of, text, fixed) in [
            ("Patient", "_id=a", true),
            ("Patient", "name=a", true),
            ("Patient", "gender=male", true),
            ("Patient", "name:missing=true", true),
            ("Patient", "birthdate=2000", true),
            ("Patient", "birthdate=ap2000", false),
            ("Patient", "birthdate=2000,ap2001", false),
            ("Patient", "_lastUpdated=gt2000", true),
            ("Patient", "_lastUpdated=ap2000", false),
            ("RiskAssessment", "probability=ap0.5", true),
            ("Observation", "value-quantity=ap5", true),
            ("ValueSet", "url=urn:a", true),
            ("Observation", "subject=Patient/1", true),
            ("Observation", "subject=https://other.example.com/Patient/1", false),
            ("Observation", "subject:Patient.birthdate=2000", true),
            ("Observation", "subject:Patient.birthdate=ap2000", false),
            ("Patient", "_has:Observation:patient:date=2000", true),
            ("Patient", "_has:Observation:patient:date=ap2000", false),
        ] {
            let criteria = criteria(of, text);
            assert_eq!(criteria.iter().all(is_fixed), fixed, "{text}");
            assert_eq!(is_fixed(&Criterion::Any(vec![criteria])), fixed, "any of {text}");
        }
    }
}
