//! Reads a search from its parameters.

use crate::request::parse_query;
use crate::search::chain::Chains;
use crate::search::criterion::{Condition, not_supported};
use crate::search::include::{self, Included};
use crate::search::{Criterion, Direction, SearchQuery, TotalMode, page, sort};
use crate::{Issue, ResourceType, Timestamp, limits};

/// What to do with a parameter that the server does not know
/// (<https://hl7.org/fhir/R4/search.html#errors>, `Prefer: handling=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handling {
    /// Leave it out of account and say so in the answer.
    #[default]
    Lenient,
    /// Refuse the search.
    Strict,
}

/// What a search is read against.
#[derive(Clone, Copy, Debug)]
pub struct ParseSearch<'a> {
    /// This server's FHIR base URL, without a trailing slash.
    pub base_url: &'a str,
    /// The time of the request: what `ap` dates are measured from.
    pub now: Timestamp,
    /// What happens to unknown parameters.
    pub handling: Handling,
}

/// Parameters that are about the form of the answer, which the layer that renders it reads.
const RENDERING: &[&str] = &["_format", "_pretty"];

/// Parameters that only trim an answer and that this server does not apply: leaving them out never
/// shows another match.
const NOT_APPLIED: &[&str] = &["_elements", "_contained", "_containedType"];

/// Parameters about the order, the pages and the extent of an answer.
const RESULT: &[&str] = &[
    "_count",
    "_cursor",
    "_include",
    "_revinclude",
    "_sort",
    "_summary",
    "_total",
    "_totalMethod",
];

/// Whether a parameter shapes the answer and says nothing of what is sought.
fn shapes_the_answer(name: &str) -> bool {
    let code = name.split(':').next().unwrap_or(name);
    [RENDERING, NOT_APPLIED, RESULT].iter().any(|names| names.contains(&code))
}

impl ParseSearch<'_> {
    /// Reads the search of a type. A parameter that would narrow the result and cannot be applied
    /// is an error under either handling, unless it is unknown altogether.
    pub fn read(
        &self,
        resource_type: ResourceType,
        parameters: &[(String, String)],
    ) -> Result<SearchQuery, Issue> {
        bounded(parameters)?;
        let mut query = SearchQuery::all(resource_type);
        let mut chains = Chains::default();
        for (name, value) in parameters {
            match self.parameter(&mut query, name, value, &mut chains)? {
                Applied::Yes => query.applied.push((name.clone(), value.clone())),
                Applied::No(why) => self.leave_out(&mut query, why)?,
            }
        }
        Ok(query)
    }

    /// Reads criteria alone, all of which must hold, from a text such as `a=b&c=d`: as in a URL,
    /// with at least one criterion and nothing else. Unknown parameters are errors.
    pub fn criteria(
        &self,
        resource_type: ResourceType,
        text: &str,
    ) -> Result<Vec<Criterion>, Issue> {
        self.criteria_of(resource_type, &parse_query(text)?)
    }

    /// Reads criteria as [`criteria`](Self::criteria) does, from parameters' names and values. A
    /// value that comes from elsewhere than the names is put into its place by
    /// [`escape`](crate::search::escape).
    pub fn criteria_of(
        &self,
        resource_type: ResourceType,
        parameters: &[(String, String)],
    ) -> Result<Vec<Criterion>, Issue> {
        bounded(parameters)?;
        if parameters.is_empty() {
            return Err(Issue::error("required", "there is no criterion"));
        }
        let mut chains = Chains::default();
        let one = |(name, value): &(String, String)| {
            if value.is_empty() {
                let text = format!("the parameter `{name}` is empty");
                return Err(Issue::error("value", text));
            }
            match self.condition(resource_type, name, value, &mut chains)? {
                Condition::Known(criterion) => Ok(criterion),
                Condition::Unknown(why) => Err(Issue::error("not-supported", why)),
            }
        };
        parameters.iter().map(one).collect()
    }

    /// Reads the condition of a write. Parameters that shape an answer do not count; `None` when
    /// there is no other. Unknown parameters are errors: to leave one out would write elsewhere.
    pub fn condition_of_write(
        &self,
        resource_type: ResourceType,
        parameters: &[(String, String)],
    ) -> Result<Option<SearchQuery>, Issue> {
        let counting = parameters.iter().filter(|(name, _)| !shapes_the_answer(name));
        let counting: Vec<(String, String)> = counting.cloned().collect();
        if counting.is_empty() {
            return Ok(None);
        }
        let criteria = self.criteria_of(resource_type, &counting)?;
        let applied = counting;
        Ok(Some(SearchQuery { criteria, applied, ..SearchQuery::all(resource_type) }))
    }

    fn leave_out(&self, query: &mut SearchQuery, why: String) -> Result<(), Issue> {
        match self.handling {
            Handling::Lenient => query.ignored.push(Issue::warning("not-supported", why)),
            Handling::Strict => return Err(Issue::error("not-supported", why)),
        }
        Ok(())
    }

    fn parameter(
        &self,
        query: &mut SearchQuery,
        name: &str,
        value: &str,
        chains: &mut Chains,
    ) -> Result<Applied, Issue> {
        if value.is_empty() {
            return Ok(Applied::No(format!("the parameter `{name}` is empty and was left out")));
        }
        match name {
            "_count" => query.count = page::count(value)?,
            "_total" => query.total = page::total(value)?,
            "_totalMethod" if value == "count" => query.total = TotalMode::Accurate,
            "_summary" => return page::summary(query, value),
            "_cursor" => query.cursor = Some(value.to_owned()),
            "_sort" => query.sort = sort::keys(query.resource_type, value)?,
            _ if RENDERING.contains(&name) => {}
            _ => return self.criterion_or_include(query, name, value, chains),
        }
        Ok(Applied::Yes)
    }

    fn criterion_or_include(
        &self,
        query: &mut SearchQuery,
        name: &str,
        value: &str,
        chains: &mut Chains,
    ) -> Result<Applied, Issue> {
        let (code, modifier) = match name.split_once(':') {
            Some((code, modifier)) => (code, Some(modifier)),
            None => (name, None),
        };
        let direction = match code {
            "_include" => Some(Direction::Forward),
            "_revinclude" => Some(Direction::Reverse),
            _ => None,
        };
        if let Some(direction) = direction {
            let included = include::read(query.resource_type, direction, modifier, value);
            return add_includes(query, name, included);
        }
        if NOT_APPLIED.contains(&code) || name == "_totalMethod" {
            return Ok(Applied::No(format!("`{name}` is not applied by this server")));
        }
        match self.condition(query.resource_type, name, value, chains)? {
            Condition::Known(criterion) => query.criteria.push(criterion),
            // A chain is no name of a parameter that the server happens not to know.
            Condition::Unknown(why) if code == "_has" || name.contains('.') => {
                return Err(not_supported(name, &why));
            }
            Condition::Unknown(why) => return Ok(Applied::No(format!("{why} and was left out"))),
        }
        Ok(Applied::Yes)
    }
}

/// What came of a parameter.
pub(super) enum Applied {
    Yes,
    No(String),
}

fn add_includes(query: &mut SearchQuery, name: &str, included: Included) -> Result<Applied, Issue> {
    match included {
        Included::Known(includes) => {
            query.includes.extend(includes);
            if query.includes.len() > limits::INCLUDES_MAX {
                let max = limits::INCLUDES_MAX;
                let text = format!("more than {max} types are followed by includes");
                return Err(Issue::error("too-costly", text));
            }
            Ok(Applied::Yes)
        }
        Included::Unknown(why) => Ok(Applied::No(format!("`{name}`: {why}: it was left out"))),
    }
}

fn bounded(parameters: &[(String, String)]) -> Result<(), Issue> {
    if parameters.len() > limits::SEARCH_PARAMETERS_MAX {
        let max = limits::SEARCH_PARAMETERS_MAX;
        return Err(Issue::error("too-costly", format!("more than {max} search parameters")));
    }
    Ok(())
}
