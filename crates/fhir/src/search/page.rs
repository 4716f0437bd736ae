//! The parameters that say how large an answer is.

use crate::search::criterion::bad_value;
use crate::search::parse::Applied;
use crate::search::{SearchQuery, TotalMode};
use crate::{Issue, limits};

/// A page's size; what is over the limit is served in pages of the limit.
pub(crate) fn count(value: &str) -> Result<u32, Issue> {
    let plain = value.len() <= 9 && value.bytes().all(|b| b.is_ascii_digit());
    let count = if plain { value.parse::<u32>().ok() } else { None };
    count
        .map(|count| count.min(limits::PAGE_ENTRIES_MAX))
        .ok_or_else(|| bad_value("_count", value, "a whole number from 0"))
}

pub(super) fn total(value: &str) -> Result<TotalMode, Issue> {
    match value {
        "none" => Ok(TotalMode::None),
        "estimate" | "accurate" => Ok(TotalMode::Accurate),
        _ => Err(bad_value("_total", value, "`none`, `estimate` or `accurate`")),
    }
}

pub(super) fn summary(query: &mut SearchQuery, value: &str) -> Result<Applied, Issue> {
    match value {
        "count" => {
            query.count = 0;
            query.total = TotalMode::Accurate;
            Ok(Applied::Yes)
        }
        "false" => Ok(Applied::Yes),
        "true" | "text" | "data" => {
            Ok(Applied::No(format!("`_summary={value}` is not applied by this server")))
        }
        _ => Err(bad_value("_summary", value, "`count` or `false`")),
    }
}
