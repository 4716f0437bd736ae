//! Rows as text, for traces and for people: about the search that would find them.

use std::fmt;

use firewarden_fhir::search::{
    Criterion, DateComparison, NumberComparison, Prefix, QuantityComparison, ReferenceValue,
    StringMatch, TokenValue,
};
use firewarden_fhir::{Timestamp, instant_text};

use super::{Reach, RowFilter};

impl fmt::Display for RowFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reach() {
            Reach::Nothing => f.write_str("nothing"),
            Reach::Some(criteria) => f.write_str(&all(criteria)),
            Reach::Everything => f.write_str("everything"),
        }
    }
}

fn all(criteria: &[Criterion]) -> String {
    let texts: Vec<String> = criteria.iter().map(one).collect();
    texts.join("&")
}

/// `name=value`; of a chain and `_has`, in the form that a query has.
fn one(criterion: &Criterion) -> String {
    match criterion {
        Criterion::Id(ids) => format!("_id={}", list(ids, ToString::to_string)),
        Criterion::LastUpdated(values) => format!("_lastUpdated={}", list(values, date)),
        Criterion::Missing { parameter, missing } => {
            format!("{}:missing={missing}", parameter.code)
        }
        Criterion::String { parameter, how, values } => {
            let modifier = match how {
                StringMatch::Start => "",
                StringMatch::Contains => ":contains",
                StringMatch::Exact => ":exact",
            };
            format!("{}{modifier}={}", parameter.code, list(values, |value| escaped(value)))
        }
        Criterion::Token { parameter, negated, values } => {
            let modifier = if *negated { ":not" } else { "" };
            format!("{}{modifier}={}", parameter.code, list(values, token))
        }
        Criterion::Reference { parameter, values } => {
            format!("{}={}", parameter.code, list(values, reference))
        }
        Criterion::Date { parameter, values } => {
            format!("{}={}", parameter.code, list(values, date))
        }
        Criterion::Number { parameter, values } => {
            format!("{}={}", parameter.code, list(values, number))
        }
        Criterion::Quantity { parameter, values } => {
            format!("{}={}", parameter.code, list(values, quantity))
        }
        Criterion::Uri { parameter, values } => {
            format!("{}={}", parameter.code, list(values, |value| escaped(value)))
        }
        Criterion::Chain { parameter, targets } => {
            let ways = targets.iter().map(|(target, criteria)| {
                format!("{}:{target}.({})", parameter.code, all(criteria))
            });
            alternatives(ways.collect())
        }
        Criterion::Has { source, parameter, criteria } => {
            format!("_has:{source}:{}:({})", parameter.code, all(criteria))
        }
        Criterion::Any(ways) => {
            if ways.is_empty() {
                return "nothing".to_owned();
            }
            let ways = ways.iter().map(|criteria| match criteria.as_slice() {
                [] => "everything".to_owned(),
                criteria => all(criteria),
            });
            alternatives(ways.collect())
        }
    }
}

fn alternatives(ways: Vec<String>) -> String {
    if ways.len() == 1 { ways.concat() } else { format!("({})", ways.join(" | ")) }
}

fn list<T>(values: &[T], text: impl Fn(&T) -> String) -> String {
    let texts: Vec<String> = values.iter().map(text).collect();
    texts.join(",")
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if r",$|\".contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

fn token(value: &TokenValue) -> String {
    match value {
        TokenValue::Code(code) => escaped(code),
        TokenValue::SystemCode(system, code) => format!("{}|{}", escaped(system), escaped(code)),
        TokenValue::NoSystemCode(code) => format!("|{}", escaped(code)),
        TokenValue::System(system) => format!("{}|", escaped(system)),
    }
}

fn reference(value: &ReferenceValue) -> String {
    match value {
        ReferenceValue::Id(_, id) => id.to_string(),
        ReferenceValue::Target(target) => target.to_string(),
        ReferenceValue::Absolute(url) => escaped(url),
    }
}

fn prefix(prefix: Prefix) -> &'static str {
    match prefix {
        Prefix::Eq => "",
        Prefix::Ne => "ne",
        Prefix::Gt => "gt",
        Prefix::Lt => "lt",
        Prefix::Ge => "ge",
        Prefix::Le => "le",
        Prefix::Sa => "sa",
        Prefix::Eb => "eb",
        Prefix::Ap => "ap",
    }
}

/// A date as the stretch that it names.
fn date(value: &DateComparison) -> String {
    let at = |at_us| Timestamp::from_microsecond(at_us).map(instant_text).unwrap_or_default();
    let (low, high) = (at(value.range.low_us), at(value.range.high_us));
    format!("{}[{low}/{high})", prefix(value.prefix))
}

fn number(value: &NumberComparison) -> String {
    format!("{}{}", prefix(value.prefix), value.value)
}

fn quantity(value: &QuantityComparison) -> String {
    let part = |text: &Option<String>| text.as_deref().map(escaped).unwrap_or_default();
    match (&value.system, &value.code) {
        (None, None) => number(&value.number),
        (system, code) => format!("{}|{}|{}", number(&value.number), part(system), part(code)),
    }
}

#[cfg(test)]
mod tests {
    use firewarden_fhir::ResourceType;
    use firewarden_fhir::search::{Handling, ParseSearch};

    use super::*;

    fn shown(of: &str, query: &[(&str, &str)]) -> String {
        let now = Timestamp::UNIX_EPOCH;
        let parse = ParseSearch { base_url: "https://fw", now, handling: Handling::Strict };
        let of = ResourceType::parse(of).unwrap();
        let pairs: Vec<_> = query.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        RowFilter::some(parse.read(of, &pairs).unwrap().criteria).to_string()
    }

    #[test]
    fn rows_read_like_the_search_that_finds_them() {
        for (name, value, text) in [
            ("subject", "Patient/1,2", "subject=Patient/1,2"),
            ("subject:missing", "true", "subject:missing=true"),
            ("code:not", "a|b,|c,d|,e", "code:not=a|b,|c,d|,e"),
            ("_id", "1,2", "_id=1,2"),
            ("value-string:exact", r"a\,b", r"value-string:exact=a\,b"),
            ("value-quantity", "ge5.4||mg", "value-quantity=ge5.4||mg"),
            ("value-quantity", "5", "value-quantity=5"),
            ("date", "lt2020", "date=lt[2020-01-01T00:00:00.000Z/2021-01-01T00:00:00.000Z)"),
        ] {
            assert_eq!(shown("Observation", &[(name, value)]), text);
        }
        assert_eq!(shown("Patient", &[("active", "true"), ("name", "b")]), "active=true&name=b");
    }

    #[test]
    fn alternatives_and_none_are_told_apart() {
        let id = |text| vec![Criterion::Id(vec![firewarden_fhir::Id::parse(text).unwrap()])];
        let shown = |criterion| RowFilter::some(vec![criterion]).to_string();
        assert_eq!(shown(Criterion::Any(vec![id("a"), id("b")])), "(_id=a | _id=b)");
        assert_eq!(shown(Criterion::Any(Vec::new())), "nothing");
        assert_eq!(RowFilter::nothing().to_string(), "nothing");
        assert_eq!(RowFilter::everything().to_string(), "everything");
    }
}
