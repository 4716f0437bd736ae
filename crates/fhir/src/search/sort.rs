//! `_sort`: the order of the matches (<https://hl7.org/fhir/R4/search.html#sort>).

use crate::definitions::{ParameterType, SearchParameter};
use crate::search::criterion::bad_value;
use crate::search::{SortBy, SortKey};
use crate::{Definitions, Issue, ResourceType, limits};

/// The keys of a `_sort`.
pub(super) fn keys(resource_type: ResourceType, value: &str) -> Result<Vec<SortKey>, Issue> {
    let keys: Vec<&str> = value.split(',').collect();
    if keys.len() > limits::SORT_KEYS_MAX {
        let max = limits::SORT_KEYS_MAX;
        return Err(Issue::error("too-costly", format!("`_sort` has more than {max} keys")));
    }
    keys.into_iter().map(|text| key(resource_type, text)).collect()
}

fn key(resource_type: ResourceType, text: &str) -> Result<SortKey, Issue> {
    let (path, descending) = match text.strip_prefix('-') {
        Some(path) => (path, true),
        None => (text, false),
    };
    let by = match path {
        "_id" => SortBy::Id,
        "_lastUpdated" => SortBy::LastUpdated,
        _ => match path.split_once('.') {
            Some((reference, code)) => through(resource_type, text, reference, code)?,
            None => SortBy::Parameter(sortable(resource_type, path).ok_or_else(|| {
                let expected = format!("a parameter of `{resource_type}` to sort by");
                bad_value("_sort", text, &expected)
            })?),
        },
    };
    Ok(SortKey { by, descending })
}

/// `subject:Patient.name`, or `subject.birthdate` where a single type that `subject` may refer to
/// has a `birthdate`.
fn through(
    resource_type: ResourceType,
    text: &str,
    reference: &str,
    code: &str,
) -> Result<SortBy, Issue> {
    let bad = |expected: &str| bad_value("_sort", text, expected);
    let (reference, only) = match reference.split_once(':') {
        Some((reference, only)) => {
            let only = ResourceType::parse(only);
            (reference, Some(only.ok_or_else(|| bad("a path by a type of resource"))?))
        }
        None => (reference, None),
    };
    let parameter = Definitions::get()
        .search_parameter(resource_type, reference)
        .filter(|parameter| parameter.kind == ParameterType::Reference)
        .ok_or_else(|| {
            bad(&format!("a path that begins with a reference parameter of `{resource_type}`"))
        })?;
    let with_it = |target: ResourceType| sortable(target, code).map(|by| (target, by));
    let mut found = parameter.followed_as(only).into_iter().filter_map(with_it);
    match (found.next(), found.next()) {
        (Some((target, by)), None) => {
            Ok(SortBy::Through { parameter, target, criteria: Vec::new(), by })
        }
        (Some(_), Some(_)) => {
            Err(bad(&format!("a path of one type: write `{reference}:Type.{code}`")))
        }
        (None, _) => Err(bad("a path to a parameter that can be sorted by")),
    }
}

fn sortable(of: ResourceType, code: &str) -> Option<&'static SearchParameter> {
    Definitions::get().search_parameter(of, code).filter(|parameter| {
        !matches!(parameter.kind, ParameterType::Composite | ParameterType::Special)
    })
}
