//! `_include` and `_revinclude`: what the matches refer to, and what refers to them
//! (<https://hl7.org/fhir/R4/search.html#include>).

use std::collections::{BTreeMap, HashSet};

use firewarden_access::PermittedRows;
use firewarden_fhir::definitions::SearchParameter;
use firewarden_fhir::extract::{IndexValue, extract};
use firewarden_fhir::search::{Criterion, Direction, Include, ReferenceValue, SearchQuery};
use firewarden_fhir::{Issue, ResourceType, Target, json};
use firewarden_store::Stored;
use serde_json::Value;

use crate::limits::{
    INCLUDE_DEPTH_MAX, INCLUDED_RESOURCES_MAX, PAGE_BYTES_MAX, REFERRED_TOGETHER_MAX,
};
use crate::{Failure, Ports};

/// What is added to a page of matches.
pub(super) struct Included {
    pub(super) resources: Vec<Stored>,
    /// That more would have been added.
    pub(super) cut: Option<Issue>,
}

/// Follows the includes of a search from a page of its matches. A type that the caller may not
/// search is left out, and of the others what it may not see: without a word, as if it were not
/// there.
pub(super) async fn included(
    ports: Ports<'_>,
    includes: &[Include],
    matches: &[Stored],
    rows: &PermittedRows,
) -> Result<Included, Failure> {
    let bytes = matches.iter().map(|stored| stored.body.len()).sum();
    let full = !includes.is_empty() && bytes >= PAGE_BYTES_MAX;
    let seen = matches.iter().map(|stored| stored.target.clone()).collect();
    let mut following = Following { ports, rows, seen, added: Vec::new(), bytes, full };
    let mut from = matches.to_vec();
    for depth in 0..INCLUDE_DEPTH_MAX {
        if from.is_empty() || following.full {
            break;
        }
        let known = following.added.len();
        let followed = includes.iter().filter(|include| depth == 0 || include.iterate);
        let (forward, reverse): (Vec<_>, Vec<_>) =
            followed.partition(|include| include.direction == Direction::Forward);
        following.forward(&forward, &from).await?;
        for include in reverse {
            following.reverse(include, &from).await?;
        }
        from = following.added.get(known..).unwrap_or_default().to_vec();
    }
    let cut = following.full.then(|| {
        let text = "more resources would be included than fit on a page: the rest was left out";
        Issue::warning("too-costly", text)
    });
    Ok(Included { resources: following.added, cut })
}

/// A set of included resources that grows.
struct Following<'a> {
    ports: Ports<'a>,
    rows: &'a PermittedRows,
    /// Every resource on the page.
    seen: HashSet<Target>,
    added: Vec<Stored>,
    /// Of every resource on the page.
    bytes: usize,
    full: bool,
}

impl Following<'_> {
    /// Adds what these resources refer to.
    async fn forward(&mut self, includes: &[&Include], from: &[Stored]) -> Result<(), Failure> {
        let base_url = format!("{}/fhir", self.ports.public_url);
        let mut by_type: BTreeMap<ResourceType, Vec<Target>> = BTreeMap::new();
        let mut sought = HashSet::new();
        for stored in from {
            for target in referred_to(stored, includes, &base_url) {
                if !self.seen.contains(&target) && sought.insert(target.clone()) {
                    by_type.entry(target.resource_type).or_default().push(target);
                }
            }
        }
        for (of, targets) in by_type {
            let Some(rows) = self.rows.reached(of).await else { continue };
            for targets in targets.chunks(REFERRED_TOGETHER_MAX) {
                if self.full {
                    return Ok(());
                }
                let found = self.ports.store.read_many(targets.to_vec(), &rows).await?;
                self.add(found);
            }
        }
        Ok(())
    }

    /// Adds what refers to these resources.
    async fn reverse(&mut self, include: &Include, to: &[Stored]) -> Result<(), Failure> {
        for parameter in &include.parameters {
            let of_target = |of: ResourceType| {
                parameter.may_refer_to(of) && include.target.is_none_or(|only| only == of)
            };
            let to: Vec<Target> = to
                .iter()
                .map(|stored| &stored.target)
                .filter(|target| of_target(target.resource_type))
                .cloned()
                .collect();
            for to in to.chunks(REFERRED_TOGETHER_MAX) {
                if self.full || !self.referring(include.source, parameter, to).await? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Adds what refers to these resources by one parameter. Whether the caller may search the
    /// type.
    async fn referring(
        &mut self,
        source: ResourceType,
        parameter: &'static SearchParameter,
        to: &[Target],
    ) -> Result<bool, Failure> {
        let values = to.iter().cloned().map(ReferenceValue::Target).collect();
        let mut query = SearchQuery::all(source);
        query.criteria = vec![Criterion::Reference { parameter, values }];
        while !self.full {
            // Those that are on the page already may come again.
            query.count = u32::try_from(REFERRED_TOGETHER_MAX).unwrap_or(u32::MAX);
            let Some(search) = self.rows.search_reached(query.clone()).await else {
                return Ok(false);
            };
            let page = self.ports.store.search(search).await?;
            self.add(page.matches);
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        Ok(true)
    }

    /// Adds each that is not on the page, until it is full.
    fn add(&mut self, found: Vec<Stored>) {
        for stored in found {
            if self.seen.contains(&stored.target) {
                continue;
            }
            if self.added.len() >= INCLUDED_RESOURCES_MAX || self.bytes >= PAGE_BYTES_MAX {
                self.full = true;
                return;
            }
            self.seen.insert(stored.target.clone());
            self.bytes += stored.body.len();
            self.added.push(stored);
        }
    }
}

/// The resources of this server that a resource refers to by one of the includes.
fn referred_to(stored: &Stored, includes: &[&Include], base_url: &str) -> Vec<Target> {
    let of = stored.target.resource_type;
    let mut includes = includes.iter().filter(|include| include.source == of).peekable();
    if includes.peek().is_none() {
        return Vec::new();
    }
    let includes: Vec<&&Include> = includes.collect();
    let Ok(Value::Object(content)) = json::parse(stored.body.as_bytes()) else {
        return Vec::new();
    };
    let wanted = |parameter: &'static SearchParameter, target: &Target| {
        includes.iter().any(|include| {
            include.parameters.contains(&parameter)
                && include.target.is_none_or(|only| only == target.resource_type)
        })
    };
    let extracted = extract(of, &content, base_url).into_iter();
    let targets = extracted.filter_map(|it| match it.value {
        IndexValue::Local(target) if wanted(it.parameter, &target) => Some(target),
        IndexValue::Local(_)
        | IndexValue::String(_)
        | IndexValue::Token { .. }
        | IndexValue::Absolute(_)
        | IndexValue::Date(_)
        | IndexValue::Number { .. }
        | IndexValue::Quantity { .. }
        | IndexValue::Uri(_) => None,
    });
    targets.collect()
}
