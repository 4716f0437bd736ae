//! Searches: the index gives candidates, the judge decides.

mod candidates;
mod index_order;
mod looked_up;
mod ranges;
mod sources;
mod through;

use std::cell::OnceCell;

use firewarden_access::{PermittedSearch, Reach};
use firewarden_fhir::search::{SearchQuery, TotalMode};
use firewarden_fhir::{Id, Target};
use rusqlite::{CachedStatement, Row, params_from_iter};

use super::connection::unavailable;
use super::dictionary::{Dictionary, TypeCode};
use super::judge::{Judge, code_of, unpacked};
use super::pool::Reading;
use super::row;
use crate::condition::{Condition, Preparer};
use crate::limits::{
    FEW_CANDIDATES, GATHERED_CANDIDATES_MAX, LOOKED_UP_CANDIDATES_MAX, PROBE_CANDIDATES_MAX,
    WALKED_ROWS_MAX,
};
use crate::matches::Candidate;
use crate::sort::{Order, Place};
use crate::{SearchPage, StoreError, Stored};
use candidates::{Candidates, Chooser, Statement, by_updated, count_statement};
use sources::{Finder, Source};
use through::ThroughValues;

/// Finds a page of matches, inside the rows.
pub(crate) fn search(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    search: &PermittedSearch,
) -> Result<SearchPage, StoreError> {
    match Search::new(reading, dictionary, search)? {
        Some(search) => search.page(),
        // Exactly what a type without resources gives.
        None => Ok(SearchPage { matches: Vec::new(), total: Some(0), next: None }),
    }
}

/// The first matches, inside the rows: for a write on a condition.
pub(crate) fn first(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    search: &PermittedSearch,
    count: usize,
) -> Result<Vec<Stored>, StoreError> {
    match Search::new(reading, dictionary, search)? {
        Some(search) => search.bodies(search.matches(None, count)?),
        None => Ok(Vec::new()),
    }
}

struct Search<'a> {
    judge: Judge<'a>,
    query: &'a SearchQuery,
    type_code: TypeCode,
    /// Those of the rows, and those of the query.
    conditions: Vec<Condition<'a>>,
    /// Of those conditions that have one and look up nothing.
    sources: Vec<Source>,
    /// Of those that look up few.
    looked_up: OnceCell<Vec<Source>>,
    order: Order<'a>,
    through: ThroughValues,
}

impl<'a> Search<'a> {
    /// `None` when the rows are none.
    fn new(
        reading: &'a Reading<'a>,
        dictionary: &'a Dictionary,
        search: &'a PermittedSearch,
    ) -> Result<Option<Self>, StoreError> {
        let query = search.query();
        let rows = match search.rows().reach() {
            Reach::Nothing => return Ok(None),
            Reach::Some(criteria) => criteria,
            Reach::Everything => &[],
        };
        let code = code_of(dictionary);
        let mut preparer = Preparer::new(&code);
        let conditions = preparer.conditions(rows.iter().chain(&query.criteria))?;
        let order = Order::of(query, &code, &mut preparer)?;
        let mut search = Self {
            judge: Judge::new(reading, dictionary),
            query,
            type_code: dictionary.resource_type(query.resource_type),
            conditions,
            sources: Vec::new(),
            looked_up: OnceCell::new(),
            order,
            through: ThroughValues::default(),
        };
        search.sources = search.sources_of(false, 0)?;
        Ok(Some(search))
    }

    /// The sources of the conditions that look up, or of those that do not.
    fn sources_of(&self, look_up: bool, looked_up_max: usize) -> Result<Vec<Source>, StoreError> {
        let (judge, resource_type) = (&self.judge, self.query.resource_type);
        let finder = Finder { judge, resource_type, looked_up_max };
        let conditions = self.conditions.iter().filter(|c| c.looks_up() == look_up);
        let mut sources = Vec::new();
        for condition in conditions {
            sources.extend(finder.source(condition)?);
        }
        Ok(sources)
    }

    fn looked_up(&self) -> Result<&[Source], StoreError> {
        if let Some(known) = self.looked_up.get() {
            return Ok(known);
        }
        let sources = self.sources_of(true, PROBE_CANDIDATES_MAX)?;
        Ok(self.looked_up.get_or_init(|| sources))
    }

    /// Whether some condition would look up more than was looked up.
    fn looks_up_many(&self) -> Result<bool, StoreError> {
        let look_up = self.conditions.iter().filter(|condition| condition.looks_up()).count();
        Ok(look_up > 0 && self.looked_up()?.len() < look_up)
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
        let candidates = self.choose(after_key)?;
        if let Candidates::Gathered(_) = candidates {
            return self.walk(candidates, after, count, self.order.is_by_key());
        }
        let unsourced = self.sources.is_empty() && self.looked_up()?.is_empty();
        let (candidates, in_order) = match self.order.by_updated() {
            // Nothing is selective: the rows are walked in the order that is asked for.
            Some(newest_first) if unsourced => {
                let start = start_of_updates(after, newest_first);
                (Candidates::Streamed(by_updated(self.type_code, newest_first, start)), true)
            }
            Some(_) | None => (candidates, self.order.is_by_key()),
        };
        if self.looks_up_many()? {
            // A page is soon full where many rows match. Where few do, the walk is long.
            if in_order && let Some(page) = self.short_walk(candidates.clone(), after, count)? {
                return Ok(page);
            }
            if let Some(candidates) = self.choose_looked_up(after_key)? {
                return self.walk(candidates, after, count, self.order.is_by_key());
            }
        }
        if unsourced && let Some(places) = self.places_by_index(after, count)? {
            return Ok(places.into_iter().map(|place| Match { place, stored: None }).collect());
        }
        self.walk(candidates, after, count, in_order)
    }

    /// The first matches after a place among the candidates.
    fn walk(
        &self,
        candidates: Candidates,
        after: Option<&Place>,
        count: usize,
        in_order: bool,
    ) -> Result<Vec<Match>, StoreError> {
        let looks = if in_order { Looks::Whole } else { Looks::Values };
        let mut best = Best { order: &self.order, matches: Vec::new(), count };
        self.each_match(candidates, looks, |found| {
            let Some(found) = found else { return true };
            if after.is_none_or(|after| self.order.compare(&found.place, after).is_gt()) {
                best.add(found);
            }
            !(in_order && best.matches.len() >= count)
        })?;
        Ok(best.finish())
    }

    /// The same of candidates that come in order; `None` if the page is not full after some rows.
    fn short_walk(
        &self,
        candidates: Candidates,
        after: Option<&Place>,
        count: usize,
    ) -> Result<Option<Vec<Match>>, StoreError> {
        let mut best = Best { order: &self.order, matches: Vec::new(), count };
        let mut walked = 0;
        self.each_match(candidates, Looks::Whole, |found| {
            walked += 1;
            let later = |found: &Match| {
                after.is_none_or(|after| self.order.compare(&found.place, after).is_gt())
            };
            if let Some(found) = found.filter(later) {
                best.add(found);
            }
            best.matches.len() < count && walked < WALKED_ROWS_MAX
        })?;
        let enough = best.matches.len() >= count || walked < WALKED_ROWS_MAX;
        Ok(enough.then(|| best.finish()))
    }

    fn chooser(&self, after_key: i64) -> Chooser<'_> {
        Chooser { reading: self.judge.reading, type_code: self.type_code, after_key }
    }

    fn choose(&self, after_key: i64) -> Result<Candidates, StoreError> {
        let chooser = self.chooser(after_key);
        let mut best = chooser.smallest(&self.sources, PROBE_CANDIDATES_MAX)?;
        if best.as_ref().is_none_or(|found| found.len() > FEW_CANDIDATES) {
            let found = chooser.smallest(self.looked_up()?, PROBE_CANDIDATES_MAX)?;
            best = [best, found].into_iter().flatten().min_by_key(Vec::len);
        }
        match best {
            Some(found) => Ok(Candidates::Gathered(found)),
            None => {
                let sources: Vec<_> = self.sources.iter().chain(self.looked_up()?).collect();
                chooser.choose_large(&sources)
            }
        }
    }

    /// The candidates of the most selective condition that looks up many, if they are not too
    /// many.
    fn choose_looked_up(&self, after_key: i64) -> Result<Option<Candidates>, StoreError> {
        let sources = self.sources_of(true, LOOKED_UP_CANDIDATES_MAX)?;
        let found = self.chooser(after_key).smallest(&sources, GATHERED_CANDIDATES_MAX)?;
        Ok(found.map(Candidates::Gathered))
    }

    /// How many resources match.
    fn total(&self) -> Result<u64, StoreError> {
        let sources: Vec<_> = self.sources.iter().chain(self.looked_up()?).collect();
        let statement = if self.conditions.is_empty() {
            Some(candidates::count_type_statement(self.type_code))
        } else if sources.len() == self.conditions.len() {
            count_statement(&sources)
        } else {
            None
        };
        if let Some(Statement { sql, values }) = statement {
            let mut statement =
                self.judge.reading.connection.prepare_cached(&sql).map_err(unavailable)?;
            let count: i64 = statement
                .query_row(params_from_iter(values), |row| row.get(0))
                .map_err(unavailable)?;
            return Ok(u64::try_from(count).unwrap_or_default());
        }
        let mut candidates = self.choose(i64::MIN)?;
        if matches!(candidates, Candidates::Streamed(_))
            && self.looks_up_many()?
            && let Some(fewer) = self.choose_looked_up(i64::MIN)?
        {
            candidates = fewer;
        }
        let mut total = 0;
        self.each_match(candidates, Looks::Values, |found| {
            total += u64::from(found.is_some());
            true
        })?;
        Ok(total)
    }

    /// Gives each candidate that matches, and `None` for each that does not, until told to stop.
    fn each_match(
        &self,
        candidates: Candidates,
        looks: Looks,
        mut take: impl FnMut(Option<Match>) -> bool,
    ) -> Result<(), StoreError> {
        let mut look = self.look(looks)?;
        let mut go_on = |key: i64| self.matching(&mut look, looks, key).map(&mut take);
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
                    self.judge.reading.connection.prepare_cached(&sql).map_err(unavailable)?;
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
        self.judge.reading.connection.prepare_cached(sql).map_err(unavailable)
    }

    /// The resource of that key, if it matches.
    fn matching(
        &self,
        look: &mut CachedStatement<'_>,
        looks: Looks,
        key: i64,
    ) -> Result<Option<Match>, StoreError> {
        self.judge.reading.check_time()?;
        let mut rows = look.query([key]).map_err(unavailable)?;
        let Some(found) = rows.next().map_err(unavailable)? else { return Ok(None) };
        let Some(place) = self.place(key, found)? else { return Ok(None) };
        let stored = match looks {
            Looks::Values => None,
            Looks::Whole => Some(self.read(found, [3, 1, 4]).map_err(unavailable)?),
        };
        Ok(Some(Match { place, stored }))
    }

    fn place(&self, key: i64, found: &Row<'_>) -> Result<Option<Place>, StoreError> {
        let column = |column| found.get_ref(column).map_err(unavailable);
        let id = column(0)?.as_str().map_err(|e| unavailable(row::damaged(0, e)))?;
        let packed = column(2)?.as_blob().map_err(|e| unavailable(row::damaged(2, e)))?;
        let values = unpacked(packed)?;
        let updated = row::updated(found, 1).map_err(unavailable)?;
        let resource_type = self.query.resource_type;
        let candidate = Candidate { resource_type, id, updated, values: &values };
        if !self.judge.all(&self.conditions, &candidate)? {
            return Ok(None);
        }
        let through = |by: &_| self.through.of(&self.judge, by, &candidate);
        self.order.place(key, &candidate, through).map(Some)
    }

    fn stored(&self, key: i64) -> Result<Stored, StoreError> {
        self.judge
            .reading
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
