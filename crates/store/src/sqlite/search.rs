//! Searches: the index gives candidates, their packed values decide.

mod candidates;
mod index_order;
mod ranges;
mod sources;

use firewarden_access::{PermittedSearch, Reach};
use firewarden_fhir::definitions::SearchParameter;
use firewarden_fhir::search::{SearchQuery, TotalMode};
use firewarden_fhir::{Id, Target, Timestamp};
use rusqlite::{CachedStatement, Row, params_from_iter};

use super::connection::unavailable;
use super::dictionary::{Dictionary, TypeCode};
use super::pool::Reading;
use super::row;
use crate::matches::{Candidate, Condition};
use crate::packed::unpack;
use crate::sort::{Order, Place};
use crate::{SearchPage, StoreError, Stored};
use candidates::{Candidates, Chooser, Statement, by_updated, count_statement};
use sources::{Finder, Source};

/// Finds a page of matches, inside the rows.
pub(crate) fn search(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    search: &PermittedSearch,
) -> Result<SearchPage, StoreError> {
    match search.rows().reach() {
        // Exactly what a type without resources gives.
        Reach::Nothing | Reach::Some(_) => {
            Ok(SearchPage { matches: Vec::new(), total: Some(0), next: None })
        }
        Reach::Everything => Search::new(reading, dictionary, search.query())?.page(),
    }
}

/// The first matches, inside the rows: for a write on a condition.
pub(crate) fn first(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    search: &PermittedSearch,
    count: usize,
) -> Result<Vec<Stored>, StoreError> {
    match search.rows().reach() {
        Reach::Nothing | Reach::Some(_) => Ok(Vec::new()),
        Reach::Everything => {
            let search = Search::new(reading, dictionary, search.query())?;
            search.bodies(search.matches(None, count)?)
        }
    }
}

struct Search<'a> {
    reading: &'a Reading<'a>,
    query: &'a SearchQuery,
    type_code: TypeCode,
    conditions: Vec<Condition<'a>>,
    /// Of those conditions that have one.
    sources: Vec<Source>,
    order: Order<'a>,
}

impl<'a> Search<'a> {
    fn new(
        reading: &'a Reading<'a>,
        dictionary: &'a Dictionary,
        query: &'a SearchQuery,
    ) -> Result<Self, StoreError> {
        let code = |p: &SearchParameter| dictionary.parameter(p.resource_type, &p.code);
        let conditions: Vec<_> =
            query.criteria.iter().map(|criterion| Condition::new(criterion, code)).collect();
        let type_code = dictionary.resource_type(query.resource_type);
        let finder = Finder { reading, dictionary, type_code };
        let mut sources = Vec::new();
        for condition in &conditions {
            sources.extend(finder.source(condition).map_err(unavailable)?);
        }
        let order = Order::of(query, code);
        Ok(Self { reading, query, type_code, conditions, sources, order })
    }

    fn page(&self) -> Result<SearchPage, StoreError> {
        let after = match &self.query.cursor {
            Some(cursor) => Some(self.order.after(cursor)?),
            None => None,
        };
        if self.query.count == 0 {
            let total = Some(self.total()?);
            return Ok(SearchPage { matches: Vec::new(), total, next: None });
        }
        let count = self.query.count as usize;
        let mut matches = self.matches(after.as_ref(), count + 1)?;
        let more = matches.len() > count;
        matches.truncate(count);
        let total = match self.query.total {
            _ if after.is_none() && !more => Some(matches.len() as u64),
            TotalMode::Accurate => Some(self.total()?),
            TotalMode::None => None,
        };
        let last = matches.last().filter(|_| more);
        let next = last.map(|last| self.order.cursor(last.place.clone()));
        Ok(SearchPage { matches: self.bodies(matches)?, total, next })
    }

    fn bodies(&self, matches: Vec<Match>) -> Result<Vec<Stored>, StoreError> {
        let body = |found: Match| found.stored.map_or_else(|| self.stored(found.place.key), Ok);
        matches.into_iter().map(body).collect()
    }

    /// The first matches after a place, in the order of the search.
    fn matches(&self, after: Option<&Place>, count: usize) -> Result<Vec<Match>, StoreError> {
        let after_key = match after {
            Some(place) if self.order.is_by_key() => place.key,
            Some(_) | None => i64::MIN,
        };
        if self.sources.is_empty()
            && let Some(places) = self.places_by_index(after, count)?
        {
            return Ok(places.into_iter().map(|place| Match { place, stored: None }).collect());
        }
        let candidates = self.choose(after_key)?;
        let streamed = matches!(candidates, Candidates::Streamed(_));
        let (candidates, in_order) = match self.order.by_updated() {
            // Nothing is selective: the rows are walked in the order that is asked for.
            Some(newest_first) if streamed && self.sources.is_empty() => {
                let start = start_of_updates(after, newest_first);
                (Candidates::Streamed(by_updated(self.type_code, newest_first, start)), true)
            }
            Some(_) | None => (candidates, self.order.is_by_key()),
        };
        let looks = if in_order { Looks::Whole } else { Looks::Values };
        let mut best = Best { order: &self.order, matches: Vec::new(), count };
        self.each_match(candidates, looks, |found| {
            if after.is_none_or(|after| self.order.compare(&found.place, after).is_gt()) {
                best.add(found);
            }
            !(in_order && best.matches.len() >= count)
        })?;
        Ok(best.finish())
    }

    fn choose(&self, after_key: i64) -> Result<Candidates, StoreError> {
        let chooser = Chooser { reading: self.reading, type_code: self.type_code, after_key };
        if self.sources.is_empty() {
            return Ok(chooser.whole_type());
        }
        chooser.choose(&self.sources)
    }

    /// How many resources match.
    fn total(&self) -> Result<u64, StoreError> {
        let statement = if self.conditions.is_empty() {
            Some(candidates::count_type_statement(self.type_code))
        } else if self.sources.len() == self.conditions.len() {
            count_statement(&self.sources)
        } else {
            None
        };
        if let Some(Statement { sql, values }) = statement {
            let mut statement =
                self.reading.connection.prepare_cached(&sql).map_err(unavailable)?;
            let count: i64 = statement
                .query_row(params_from_iter(values), |row| row.get(0))
                .map_err(unavailable)?;
            return Ok(u64::try_from(count).unwrap_or_default());
        }
        let mut total = 0;
        self.each_match(self.choose(i64::MIN)?, Looks::Values, |_| {
            total += 1;
            true
        })?;
        Ok(total)
    }

    /// Gives each match among the candidates, until told to stop.
    fn each_match(
        &self,
        candidates: Candidates,
        looks: Looks,
        mut take: impl FnMut(Match) -> bool,
    ) -> Result<(), StoreError> {
        let mut look = self.look(looks)?;
        let mut go_on = |key: i64| match self.matching(&mut look, looks, key)? {
            Some(found) => Ok(take(found)),
            None => Ok(true),
        };
        match candidates {
            Candidates::Gathered(keys) => {
                for key in keys {
                    if !go_on(key)? {
                        break;
                    }
                }
            }
            Candidates::Streamed(Statement { sql, values }) => {
                let mut statement =
                    self.reading.connection.prepare_cached(&sql).map_err(unavailable)?;
                let mut rows = statement.query(params_from_iter(values)).map_err(unavailable)?;
                let mut last = None;
                while let Some(found) = rows.next().map_err(unavailable)? {
                    let key: i64 = found.get(0).map_err(unavailable)?;
                    let repeated = last.replace(key) == Some(key);
                    if !repeated && !go_on(key)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn look(&self, looks: Looks) -> Result<CachedStatement<'_>, StoreError> {
        let sql = match looks {
            Looks::Values => {
                "SELECT id, updated, packed FROM resource WHERE key = ?1 AND deleted = 0"
            }
            Looks::Whole => {
                "SELECT id, updated, packed, version, body FROM resource
                 WHERE key = ?1 AND deleted = 0"
            }
        };
        self.reading.connection.prepare_cached(sql).map_err(unavailable)
    }

    /// The resource of that key, if it matches.
    fn matching(
        &self,
        look: &mut CachedStatement<'_>,
        looks: Looks,
        key: i64,
    ) -> Result<Option<Match>, StoreError> {
        self.reading.check_time()?;
        let mut rows = look.query([key]).map_err(unavailable)?;
        let Some(found) = rows.next().map_err(unavailable)? else { return Ok(None) };
        let Some(place) = self.place(key, found).map_err(unavailable)? else { return Ok(None) };
        let stored = match looks {
            Looks::Values => None,
            Looks::Whole => Some(self.read(found, [3, 1, 4]).map_err(unavailable)?),
        };
        Ok(Some(Match { place, stored }))
    }

    fn place(&self, key: i64, found: &Row<'_>) -> rusqlite::Result<Option<Place>> {
        let id = found.get_ref(0)?.as_str()?;
        let updated: Timestamp = row::updated(found, 1)?;
        let values =
            unpack(found.get_ref(2)?.as_blob()?).ok_or_else(|| row::damaged(2, "packed values"))?;
        let candidate = Candidate { id, updated, values: &values };
        let matches = self.conditions.iter().all(|condition| condition.holds(&candidate));
        Ok(matches.then(|| self.order.place(key, &candidate)))
    }

    fn stored(&self, key: i64) -> Result<Stored, StoreError> {
        self.reading
            .connection
            .prepare_cached("SELECT id, version, updated, body FROM resource WHERE key = ?1")
            .and_then(|mut look| look.query_row([key], |found| self.read(found, [1, 2, 3])))
            .map_err(unavailable)
    }

    fn read(&self, found: &Row<'_>, columns: [usize; 3]) -> rusqlite::Result<Stored> {
        let id = Id::parse(found.get_ref(0)?.as_str()?).ok_or_else(|| row::damaged(0, "an id"))?;
        let target = Target::new(self.query.resource_type, id);
        row::stored(found, columns, target)?.ok_or_else(|| row::damaged(0, "a body"))
    }
}

/// What is read of each candidate.
#[derive(Clone, Copy)]
enum Looks {
    /// What decides whether it matches, and its place.
    Values,
    /// The body as well, when a match is on the page for sure.
    Whole,
}

/// A resource that matches.
struct Match {
    place: Place,
    /// Where it was read already.
    stored: Option<Stored>,
}

/// Where the walk of a type in the order of updates begins.
fn start_of_updates(after: Option<&Place>, newest_first: bool) -> (i64, i64) {
    let outermost = if newest_first { i64::MAX } else { i64::MIN };
    match after {
        Some(Place { values, key }) => match values.as_slice() {
            [crate::cursor::Part::Integer(updated)] => (*updated, *key),
            _ => (outermost, outermost),
        },
        None => (outermost, outermost),
    }
}

/// The first matches of an order, of all that are added.
struct Best<'a> {
    order: &'a Order<'a>,
    matches: Vec<Match>,
    count: usize,
}

impl Best<'_> {
    fn add(&mut self, found: Match) {
        self.matches.push(found);
        // Sorted once in a while, so that each costs little and few are held.
        if self.matches.len() > 2 * self.count + 16 {
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        self.matches.sort_by(|a, b| self.order.compare(&a.place, &b.place));
        self.matches.truncate(self.count);
    }

    fn finish(mut self) -> Vec<Match> {
        self.shrink();
        self.matches
    }
}
