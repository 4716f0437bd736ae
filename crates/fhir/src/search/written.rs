//! Criteria as people write them: a canonical text, for explanations.

use std::fmt::{self, Display};

use crate::search::number::number_comparison;
use crate::search::{
    Criterion, DateComparison, NumberComparison, Prefix, QuantityComparison, ReferenceValue,
    StringMatch, TokenValue,
};
use crate::{TimeRange, Timestamp, instant_text};

/// Decimal places up to which the precision of a number is looked for.
const PLACES_MAX: usize = 17;

/// Conditions that must all hold, in one text: the same for the same conditions. One that a search
/// can express is written as in a URL, without percent-encoding.
pub fn conjunction_text(criteria: &[Criterion]) -> String {
    joined(criteria, "&")
}

impl Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(ids) => write!(f, "_id={}", joined(ids, ",")),
            Self::LastUpdated(dates) => write!(f, "_lastUpdated={}", joined(dates, ",")),
            Self::Missing { parameter, missing } => {
                write!(f, "{}:missing={missing}", parameter.code)
            }
            Self::String { parameter, how, values } => {
                let modifier = match how {
                    StringMatch::Start => "",
                    StringMatch::Contains => ":contains",
                    StringMatch::Exact => ":exact",
                };
                write!(f, "{}{modifier}={}", parameter.code, texts(values))
            }
            Self::Token { parameter, negated, values } => {
                let modifier = if *negated { ":not" } else { "" };
                write!(f, "{}{modifier}={}", parameter.code, joined(values, ","))
            }
            Self::Reference { parameter, values } => {
                write!(f, "{}={}", parameter.code, joined(values, ","))
            }
            Self::Date { parameter, values } => {
                write!(f, "{}={}", parameter.code, joined(values, ","))
            }
            Self::Number { parameter, values } => {
                write!(f, "{}={}", parameter.code, joined(values, ","))
            }
            Self::Quantity { parameter, values } => {
                write!(f, "{}={}", parameter.code, joined(values, ","))
            }
            Self::Uri { parameter, values } => write!(f, "{}={}", parameter.code, texts(values)),
            Self::Chain { parameter, targets } => {
                let one =
                    |(of, criteria): &(crate::ResourceType, Vec<Self>)| match criteria.as_slice() {
                        [one @ (Self::Any(_) | Self::Chain { .. })] => {
                            format!("{}:{of}.({one})", parameter.code)
                        }
                        [one] => format!("{}:{of}.{one}", parameter.code),
                        several => {
                            format!("{}:{of}.({})", parameter.code, conjunction_text(several))
                        }
                    };
                alternatives(f, &targets.iter().map(one).collect::<Vec<_>>())
            }
            Self::Has { source, parameter, criteria } => {
                write!(f, "_has:{source}:{}:({})", parameter.code, conjunction_text(criteria))
            }
            Self::Any(conjunctions) => {
                let texts: Vec<String> =
                    conjunctions.iter().map(|criteria| conjunction_text(criteria)).collect();
                alternatives(f, &texts)
            }
        }
    }
}

/// Texts of which one holds.
fn alternatives(f: &mut fmt::Formatter<'_>, texts: &[String]) -> fmt::Result {
    let shown: Vec<&str> =
        texts.iter().map(|text| if text.is_empty() { "everything" } else { text }).collect();
    match shown.as_slice() {
        [] => f.write_str("nothing"),
        [one] => f.write_str(one),
        several => write!(f, "({})", several.join(" | ")),
    }
}

fn joined<T: Display>(items: &[T], separator: &str) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

fn texts(values: &[String]) -> String {
    values.iter().map(|value| escaped(value)).collect::<Vec<_>>().join(",")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, ',' | '$' | '|' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

impl Prefix {
    /// As it is written; `eq` is left out.
    fn written(self) -> &'static str {
        match self {
            Self::Eq => "",
            Self::Ne => "ne",
            Self::Gt => "gt",
            Self::Lt => "lt",
            Self::Ge => "ge",
            Self::Le => "le",
            Self::Sa => "sa",
            Self::Eb => "eb",
            Self::Ap => "ap",
        }
    }
}

impl Display for DateComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.prefix.written(), stretch(self.range))
    }
}

/// The shortest date that names the stretch; its two ends where none does.
fn stretch(range: TimeRange) -> String {
    let text = |us: i64| Timestamp::from_microsecond(us).map(instant_text).unwrap_or_default();
    let low = text(range.low_us);
    let dates = [4, 7, 10].into_iter().filter_map(|length| low.get(..length).map(str::to_owned));
    let times = [16, 19, 23, 26].into_iter().filter_map(|length| {
        let clock = low.get(..length.min(low.len()))?.trim_end_matches('Z');
        Some(format!("{clock}Z"))
    });
    let names = |text: &String| TimeRange::parse(text) == Some(range);
    let found = dates.chain(times).find(names);
    found.unwrap_or_else(|| format!("{low}..{}", text(range.high_us)))
}

impl Display for NumberComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.prefix.written();
        let as_sent = (0..=PLACES_MAX)
            .map(|places| format!("{prefix}{:.places$}", self.value))
            .find(|text| number_comparison(text).as_ref() == Some(self));
        match as_sent {
            Some(text) => f.write_str(&text),
            None => write!(f, "{prefix}{}", self.value),
        }
    }
}

impl Display for QuantityComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(f)?;
        if self.system.is_some() || self.code.is_some() {
            let part = |part: &Option<String>| part.as_deref().map(escaped).unwrap_or_default();
            write!(f, "|{}|{}", part(&self.system), part(&self.code))?;
        }
        Ok(())
    }
}

impl Display for TokenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => f.write_str(&escaped(code)),
            Self::SystemCode(system, code) => {
                write!(f, "{}|{}", escaped(system), escaped(code))
            }
            Self::NoSystemCode(code) => write!(f, "|{}", escaped(code)),
            Self::System(system) => write!(f, "{}|", escaped(system)),
        }
    }
}

impl Display for ReferenceValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(types, id) => match types.as_slice() {
                [one] => write!(f, "{one}/{id}"),
                _ => f.write_str(id.as_str()),
            },
            Self::Target(target) => write!(f, "{target}"),
            Self::Absolute(url) => f.write_str(&escaped(url)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{Handling, ParseSearch};
    use crate::{Definitions, ResourceType};

    fn of(name: &str) -> ResourceType {
        ResourceType::parse(name).unwrap()
    }

    fn criteria(resource_type: &str, query: &str) -> Vec<Criterion> {
        let base_url = "http://localhost/fhir";
        let now = Timestamp::UNIX_EPOCH;
        let search = ParseSearch { base_url, now, handling: Handling::Strict };
        let sent: Vec<(String, String)> = query
            .split('&')
            .map(|part| part.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        search.read(of(resource_type), &sent).unwrap().criteria
    }

    #[test]
    fn what_a_search_can_express_is_written_so_that_it_reads_the_same() {
        for (resource_type, query) in [
            ("Patient", "_id=a,b"),
            ("Patient", "_lastUpdated=ge2024-02-03"),
            ("Patient", "name=a\\,b,c&active=true"),
            ("Patient", "name:exact=x&family:contains=y&gender:missing=true"),
            ("Patient", "identifier=http://a.example/x|1,|2,http://b.example|,3"),
            ("Patient", "gender:not=male"),
            ("Patient", "birthdate=2013,lt2013-02,sa2013-02-03,ne2013-02-03T10:00Z"),
            ("Patient", "birthdate=2013-02-03T10:00:01Z,2013-02-03T10:00:01.250Z"),
            ("Observation", "subject=Patient/1,http://other.example/Patient/2"),
            ("Observation", "value-quantity=5.40|http://unitsofmeasure.org|mg,gt7||mg,8"),
            ("RiskAssessment", "probability=0.80,ge1,ap0.5"),
            ("ValueSet", "url=http://a.example/v"),
        ] {
            let read = criteria(resource_type, query);
            let text = conjunction_text(&read);
            assert_eq!(criteria(resource_type, &text), read, "{text}");
            let unchanged = !query.contains(".250");
            assert!(!unchanged || text == query, "{text} of {query}");
        }
    }

    #[test]
    fn what_no_search_can_express_is_written_for_people() {
        let parameter =
            |resource_type, code| Definitions::get().search_parameter(of(resource_type), code);
        let subject = parameter("Observation", "subject").unwrap();
        let active = criteria("Patient", "active=true");
        let named = criteria("Patient", "active=true&name=a");
        let chain = |targets| Criterion::Chain { parameter: subject, targets };
        let has =
            Criterion::Has { source: of("Observation"), parameter: subject, criteria: vec![] };
        for (criterion, text) in [
            (Criterion::Any(Vec::new()), "nothing"),
            (Criterion::Any(vec![active.clone()]), "active=true"),
            (
                Criterion::Any(vec![active.clone(), named.clone(), Vec::new()]),
                "(active=true | active=true&name=a | everything)",
            ),
            (chain(vec![(of("Patient"), active.clone())]), "subject:Patient.active=true"),
            (
                chain(vec![(of("Patient"), named.clone()), (of("Group"), Vec::new())]),
                "(subject:Patient.(active=true&name=a) | subject:Group.())",
            ),
            (has, "_has:Observation:subject:()"),
        ] {
            assert_eq!(criterion.to_string(), text);
        }
    }
}
