//! Rows as text, for traces and for people: about the search that would find them.

use std::fmt;

use firewarden_fhir::search::conjunction_text;

use super::{Reach, RowFilter};

impl fmt::Display for RowFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reach() {
            Reach::Nothing => f.write_str("nothing"),
            Reach::Some(criteria) => f.write_str(&conjunction_text(criteria)),
            Reach::Everything => f.write_str("everything"),
        }
    }
}

#[cfg(test)]
mod tests {
    use firewarden_fhir::search::{Criterion, Handling, ParseSearch};
    use firewarden_fhir::{Id, ResourceType, Timestamp};

    use super::*;

    #[test]
    fn rows_read_like_the_search_that_finds_them() {
        let now = Timestamp::UNIX_EPOCH;
        let parse = ParseSearch { base_url: "https://fw", now, handling: Handling::Strict };
        let of = ResourceType::parse("Patient").unwrap();
        let pairs = [("active", "true"), ("birthdate", "lt2020")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let rows = RowFilter::some(parse.read(of, &pairs).unwrap().criteria);
        assert_eq!(rows.to_string(), "active=true&birthdate=lt2020");
    }

    #[test]
    fn alternatives_and_none_are_told_apart() {
        let id = |text| vec![Criterion::Id(vec![Id::parse(text).unwrap()])];
        let shown = |criterion| RowFilter::some(vec![criterion]).to_string();
        assert_eq!(shown(Criterion::Any(vec![id("a"), id("b")])), "(_id=a | _id=b)");
        assert_eq!(shown(Criterion::Any(Vec::new())), "nothing");
        assert_eq!(RowFilter::nothing().to_string(), "nothing");
        assert_eq!(RowFilter::everything().to_string(), "everything");
    }
}
