//! What a transaction refers to by criteria, and has to be found before its entries are decided
//! (<https://hl7.org/fhir/R4/http.html#trules>).

use std::collections::{HashMap, HashSet};

use firewarden_access::Permitted;
use firewarden_fhir::request::parse_query;
use firewarden_fhir::search::{ParseSearch, SearchQuery};
use firewarden_fhir::{Issue, ResourceType, Target};
use firewarden_store::Store;

use super::read::{BundleEntry, BundleRequest, EntryDefect};
use super::references::{Open, each_link_of};
use crate::Failure;
use crate::limits::BUNDLE_SEARCHES_MAX;

/// Something that entries of a transaction refer to by criteria. It is found as far as the caller
/// may search.
#[derive(Debug)]
pub struct Sought {
    /// How.
    pub query: SearchQuery,
    by: SoughtBy,
}

#[derive(Debug)]
enum SoughtBy {
    /// The condition of that entry, which stands there if it is created.
    Condition(usize, Target),
    /// A reference.
    Reference(String),
}

/// What the open references of a transaction depend on.
pub(super) fn sought(
    open: Open,
    entries: &mut [Result<BundleEntry, EntryDefect>],
    search: ParseSearch<'_>,
) -> Result<Vec<Sought>, Issue> {
    let mut sought: Vec<Sought> = Vec::new();
    for (index, place) in open.entries {
        let Some(Ok(BundleEntry { routed, .. })) = entries.get_mut(index) else { continue };
        let Some(condition) = routed.interaction.condition_mut() else { continue };
        let query = condition.query.clone();
        if sought.iter().any(|other| other.query == query) {
            let text = "another entry has the same condition: let what refers to one refer to both";
            return Err(Issue::error("invalid", text).at(format!("Bundle.entry[{index}]")));
        }
        sought.push(Sought { query, by: SoughtBy::Condition(index, place) });
    }
    for reference in open.criteria {
        let (of, query) = reference.split_once('?').unwrap_or((&reference, ""));
        let query = match ResourceType::parse(of) {
            Some(of) => search.condition_of_write(of, &parse_query(query)?)?,
            None => None,
        };
        let no_criterion = || Issue::error("value", "a reference by criteria has no criterion");
        let query = query.ok_or_else(no_criterion)?;
        sought.push(Sought { query, by: SoughtBy::Reference(reference) });
    }
    if sought.len() > BUNDLE_SEARCHES_MAX {
        let text = format!("more than {BUNDLE_SEARCHES_MAX} references depend on a search");
        return Err(Issue::error("too-costly", text));
    }
    Ok(sought)
}

/// The first two resources that a search of a permit's own type finds: enough to tell whether it is
/// one. Nothing, where the search uses a type that the caller may not search.
pub async fn first_matches(
    store: &Store,
    permitted: Permitted,
    query: &SearchQuery,
) -> Result<Vec<Target>, Failure> {
    let (_, rows) = permitted.into_parts();
    let mut query = SearchQuery { count: 2, ..query.clone() };
    let mut found = Vec::new();
    loop {
        let Some(search) = rows.search_reached(query.clone()).await else { return Ok(Vec::new()) };
        let page = store.search(search).await?;
        found.extend(page.matches.into_iter().map(|stored| stored.target));
        match page.next {
            // A page of large resources may have but one.
            Some(next) if found.len() < 2 => query.cursor = Some(next),
            Some(_) | None => return Ok(found),
        }
    }
}

impl BundleRequest {
    /// Leads the references of the entries to what was found. Where it is not one resource, the
    /// entry cannot be carried out.
    pub fn resolve(&mut self, found: Vec<(Sought, Vec<Target>)>) {
        let mut places: HashMap<String, String> = HashMap::new();
        let mut unresolved: HashSet<String> = HashSet::new();
        for (sought, mut found) in found {
            let only = if found.len() > 1 { None } else { found.pop() };
            match (sought.by, only) {
                (SoughtBy::Reference(text), Some(target)) => {
                    places.insert(text, target.to_string());
                }
                (SoughtBy::Reference(text), None) => drop(unresolved.insert(text)),
                (SoughtBy::Condition(index, place), only) => {
                    let target = only.unwrap_or_else(|| place.clone());
                    if self.expect(index, &target) && target != place {
                        places.insert(place.to_string(), target.to_string());
                    }
                }
            }
        }
        if places.is_empty() && unresolved.is_empty() {
            return;
        }
        for BundleEntry { routed, .. } in self.entries.iter_mut().flatten() {
            let Some(resource) = routed.interaction.resource_mut() else { continue };
            let mut is_open = false;
            each_link_of(&mut resource.content, &mut |name, text| {
                if let Some(place) = places.get(text.as_str()) {
                    place.clone_into(text);
                }
                is_open |= name == "reference" && unresolved.contains(text.as_str());
            });
            if is_open && routed.defect.is_none() {
                let text = "a reference by criteria does not lead to one resource";
                routed.defect = Some(Issue::error("not-found", text));
            }
        }
    }

    /// That the condition of an entry leads there when it is written. Whether it may: an `id` that
    /// was sent says otherwise.
    fn expect(&mut self, index: usize, target: &Target) -> bool {
        let Some(Ok(BundleEntry { routed, .. })) = self.entries.get_mut(index) else {
            return false;
        };
        let Some(condition) = routed.interaction.condition_mut() else { return false };
        match &condition.expected {
            Some(sent) if sent != target => {
                let text = "the criteria find another resource than the one that `id` names";
                routed.defect.get_or_insert_with(|| Issue::error("value", text));
                false
            }
            Some(_) | None => {
                condition.expected = Some(target.clone());
                true
            }
        }
    }
}
