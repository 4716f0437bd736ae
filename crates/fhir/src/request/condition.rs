//! Conditional create, update and delete (<https://hl7.org/fhir/R4/http.html#ccreate>).

use super::body::{if_match, resource_of};
use super::parse::{split, with_defect};
use super::{Body, RestRequest, Routed, parse_query};
use crate::search::{ParseSearch, SearchQuery, count};
use crate::{Id, Interaction, Issue, ResourceType, Target, WriteCondition};

impl RestRequest<'_> {
    /// `POST [type]`, on a condition where `If-None-Exist` or the query has one; both hold
    /// together.
    pub(super) fn create(self, of: ResourceType, search: ParseSearch<'_>) -> Routed {
        let refused = self.refused_condition("create", of);
        let (condition, defect) = split(self.none_exist(of, search));
        let refused = refused.or(defect);
        let (resource, defect) = resource_of(of, None, self.body);
        let interaction = match condition {
            None => Interaction::Create(resource),
            Some(query) => Interaction::ConditionalCreate(WriteCondition::one(query), resource),
        };
        with_defect(interaction, refused.or(defect))
    }

    /// `PUT [type]?…`.
    pub(super) fn conditional_update(self, of: ResourceType, search: ParseSearch<'_>) -> Routed {
        let refused = self.refused_condition("update", of);
        let (if_match, version_defect) = split(if_match(self.if_match));
        let (query, defect) = found_by(of, self.condition(of, search));
        let refused = refused.or(version_defect).or(defect);
        let (id, id_defect) = split(sent_id(&self.body));
        let (mut resource, defect) = resource_of(of, None, self.body);
        resource.content.extend(id.iter().map(|id| ("id".to_owned(), id.as_str().into())));
        let mut condition = WriteCondition::one(query);
        condition.id_sent = id.is_some();
        condition.expected = id.map(|id| Target::new(of, id));
        let interaction = Interaction::ConditionalUpdate(condition, resource, if_match);
        with_defect(interaction, refused.or(defect).or(id_defect))
    }

    /// `DELETE [type]?…`. `_count` says how many may be deleted together.
    pub(super) fn conditional_delete(self, of: ResourceType, search: ParseSearch<'_>) -> Routed {
        let refused = self.refused_condition("delete", of);
        let on_version = self.if_match.map(|_| {
            Issue::error("not-supported", "`If-Match` is not served for a delete by criteria")
        });
        let (query, defect) = found_by(of, self.condition(of, search));
        let mut condition = WriteCondition::one(query);
        let (counted, count_defect) = split(self.count());
        if let Some((text, count)) = counted {
            condition.matches_max = count;
            condition.query.applied.push(("_count".to_owned(), text));
        }
        let interaction = Interaction::ConditionalDelete(condition);
        with_defect(interaction, refused.or(on_version).or(defect).or(count_defect))
    }

    fn none_exist(
        &self,
        of: ResourceType,
        search: ParseSearch<'_>,
    ) -> Result<Option<SearchQuery>, Issue> {
        let mut sent = parse_query(self.query)?;
        if let Some(header) = self.if_none_exist {
            let header = header.trim();
            let pairs = parse_query(header.strip_prefix('?').unwrap_or(header))?;
            if search.condition_of_write(of, &pairs)?.is_none() {
                return Err(Issue::error("required", "`If-None-Exist` has no criterion"));
            }
            sent.extend(pairs);
        }
        search.condition_of_write(of, &sent)
    }

    fn condition(
        &self,
        of: ResourceType,
        search: ParseSearch<'_>,
    ) -> Result<Option<SearchQuery>, Issue> {
        search.condition_of_write(of, &parse_query(self.query)?)
    }

    /// `_count`, as sent and read.
    fn count(&self) -> Result<Option<(String, u32)>, Issue> {
        let sent = parse_query(self.query)?;
        let Some((_, text)) = sent.into_iter().find(|(name, _)| name == "_count") else {
            return Ok(None);
        };
        match count(&text)? {
            0 => Err(Issue::error("value", "`_count=0` deletes nothing")),
            count => Ok(Some((text, count))),
        }
    }

    /// A condition that is not served is refused, never left out: the write would be done though
    /// the client asked for it not to be.
    fn refused_condition(&self, act: &str, of: ResourceType) -> Option<Issue> {
        let refused = |text: String| Some(Issue::error("not-supported", text));
        if let Some(header) = self.unserved_condition {
            return refused(format!("a {act} on the condition `{header}` is not served"));
        }
        if act != "create" && self.if_none_exist.is_some() {
            return refused(format!("a {act} on the condition `If-None-Exist` is not served"));
        }
        if of.is_own() && self.has_criteria() {
            return refused(format!("a {act} of `{of}` by criteria is not served"));
        }
        None
    }

    fn has_criteria(&self) -> bool {
        let sent = parse_query(self.query).unwrap_or_default();
        self.if_none_exist.is_some()
            || sent.iter().any(|(name, _)| !matches!(name.as_str(), "_format" | "_pretty"))
    }

    /// What is wrong with the query of a write at a URL of its own.
    pub(super) fn unserved_criteria(&self, act: &str, of: ResourceType) -> Option<Issue> {
        if let Some(refused) = self.refused_condition(act, of) {
            return Some(refused);
        }
        match parse_query(self.query) {
            Err(defect) => Some(defect),
            Ok(sent) => {
                let mut names = sent.iter().map(|(name, _)| name.as_str());
                let name = names.find(|name| !matches!(*name, "_format" | "_pretty"))?;
                let text = format!("a {act} on the condition `{name}` is not served");
                Some(Issue::error("not-supported", text))
            }
        }
    }
}

/// The query of a condition that must be there.
fn found_by(
    of: ResourceType,
    condition: Result<Option<SearchQuery>, Issue>,
) -> (SearchQuery, Option<Issue>) {
    match condition {
        Ok(Some(query)) => (query, None),
        Ok(None) => {
            let text = "there is no criterion: name the resource by its id, or say how it is found";
            (SearchQuery::all(of), Some(Issue::error("required", text)))
        }
        Err(defect) => (SearchQuery::all(of), Some(defect)),
    }
}

/// The id of the body, which the match must have.
fn sent_id(body: &Body) -> Result<Option<Id>, Issue> {
    let Body::Json(content) = body else { return Ok(None) };
    let bad = || Issue::error("value", "`id` is not an id: 1 to 64 of `A-Z a-z 0-9 - .`");
    match content.get("id") {
        None => Ok(None),
        Some(id) => id.as_str().and_then(Id::parse).map(Some).ok_or_else(bad),
    }
}
