//! Searches: the index gives candidates, the judge decides.

mod candidates;
mod index_order;
mod looked_up;
mod ranges;
mod sources;
mod through;
mod walk;

use std::cell::OnceCell;

use firewarden_access::{PermittedSearch, Reach};
use firewarden_fhir::search::{SearchQuery, TotalMode};
use firewarden_fhir::{Id, Target};

use super::dictionary::{Dictionary, TypeCode};
use super::judge::{Judge, code_of};
use super::pool::Reading;
use super::row;
use crate::condition::{Condition, Effort, Preparer};
use crate::database::{Result as Found, Row, damaged, unavailable};
use crate::limits::{
    FEW_CANDIDATES, GATHERED_CANDIDATES_MAX, LOOKED_UP_CANDIDATES_MAX, PROBE_CANDIDATES_MAX,
};
use crate::sort::{Order, Place};
use crate::{SearchPage, StoreError, Stored};
use candidates::{Candidates, Chooser, Statement, by_updated, count_statement};
use sources::{Finder, Source};
use through::ThroughValues;
use walk::{Looks, Match, Wanted};

/// Finds a page of matches, inside the rows. It ends early when their bodies have so many bytes.
pub(crate) fn search(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    search: &PermittedSearch,
    body_bytes_max: usize,
) -> Result<SearchPage, StoreError> {
    match Search::new(reading, dictionary, search)? {
        Some(search) => search.page(body_bytes_max),
        // Exactly what a type without resources gives.
        None => Ok(SearchPage { matches: Vec::new(), total: Some(0), next: None }),
    }
}

/// The first matches, inside the rows: for a write on a condition. However many they are, no body is
/// read.
pub(crate) fn first(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    search: &PermittedSearch,
    count: usize,
) -> Result<Vec<Target>, StoreError> {
    let Some(search) = Search::new(reading, dictionary, search)? else { return Ok(Vec::new()) };
    let matches = search.matches(&Wanted { after: None, count, body_bytes_max: None })?;
    matches.into_iter().map(|found| search.target(found.place.key)).collect()
}

struct Search<'a> {
    judge: Judge<'a>,
    query: &'a SearchQuery,
    type_code: TypeCode,
    /// Those of the rows, and those of the query.
    conditions: Vec<Condition<'a>>,
    /// Of those that compare values, where they have one.
    compared: Vec<Source>,
    /// Of those that have alternatives.
    alternatives: OnceCell<Vec<Source>>,
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
        let code = code_of(reading, dictionary);
        let mut preparer = Preparer::new(&code);
        let conditions = preparer.conditions(rows.iter().chain(&query.criteria))?;
        let order = Order::of(query, &code, &mut preparer)?;
        let mut search = Self {
            judge: Judge::new(reading, dictionary),
            query,
            type_code: dictionary.resource_type(query.resource_type),
            conditions,
            compared: Vec::new(),
            alternatives: OnceCell::new(),
            looked_up: OnceCell::new(),
            order,
            through: ThroughValues::default(),
        };
        search.compared = search.sources_of(Effort::Values, 0)?;
        Ok(Some(search))
    }

    /// The sources of the conditions of such an effort.
    fn sources_of(&self, effort: Effort, looked_up_max: usize) -> Result<Vec<Source>, StoreError> {
        let (judge, resource_type) = (&self.judge, self.query.resource_type);
        let finder = Finder { judge, resource_type, looked_up_max };
        let conditions = self.conditions.iter().filter(|c| c.effort() == effort);
        let mut sources = Vec::new();
        for condition in conditions {
            sources.extend(finder.source(condition)?);
        }
        Ok(sources)
    }

    fn alternatives(&self) -> Result<&[Source], StoreError> {
        if let Some(known) = self.alternatives.get() {
            return Ok(known);
        }
        let sources = self.sources_of(Effort::Alternatives, 0)?;
        Ok(self.alternatives.get_or_init(|| sources))
    }

    fn looked_up(&self) -> Result<&[Source], StoreError> {
        if let Some(known) = self.looked_up.get() {
            return Ok(known);
        }
        let sources = self.sources_of(Effort::LookUps, PROBE_CANDIDATES_MAX)?;
        Ok(self.looked_up.get_or_init(|| sources))
    }

    /// All sources there are, once nothing small is found.
    fn all_sources(&self) -> Result<Vec<&Source>, StoreError> {
        let looking_up_nothing = self.alternatives()?.iter().chain(&self.compared);
        Ok(looking_up_nothing.chain(self.looked_up()?).collect())
    }

    /// Whether some condition would look up more than was looked up.
    fn looks_up_many(&self) -> Result<bool, StoreError> {
        let look_up = self.conditions.iter().filter(|c| c.effort() == Effort::LookUps).count();
        Ok(look_up > 0 && self.looked_up()?.len() < look_up)
    }

    fn page(&self, body_bytes_max: usize) -> Result<SearchPage, StoreError> {
        let after = match &self.query.cursor {
            Some(cursor) => Some(self.order.after(cursor)?),
            None => None,
        };
        if self.query.count == 0 {
            let total = Some(self.total()?);
            return Ok(SearchPage { matches: Vec::new(), total, next: None });
        }
        // One more tells whether there is a next page.
        let count = self.query.count as usize + 1;
        let after = after.as_ref();
        let wanted = Wanted { after, count, body_bytes_max: Some(body_bytes_max) };
        let found = self.matches(&wanted)?;
        let found_count = found.len();
        let (matches, last) = self.with_bodies(found, body_bytes_max)?;
        let more = matches.len() < found_count;
        let total = match self.query.total {
            _ if after.is_none() && !more => Some(matches.len() as u64),
            TotalMode::Accurate => Some(self.total()?),
            TotalMode::None => None,
        };
        let next = last.filter(|_| more).map(|last| self.order.cursor(last));
        Ok(SearchPage { matches, total, next })
    }

    /// Those matches that belong to the page, whole, and where the last of them stands.
    fn with_bodies(
        &self,
        found: Vec<Match>,
        body_bytes_max: usize,
    ) -> Result<(Vec<Stored>, Option<Place>), StoreError> {
        let (mut page, mut last, mut body_bytes) = (Vec::new(), None, 0);
        for Match { place, stored } in found.into_iter().take(self.query.count as usize) {
            if last.is_some() && body_bytes >= body_bytes_max {
                break;
            }
            let stored = stored.map_or_else(|| self.stored(place.key), Ok)?;
            body_bytes += stored.body.len();
            page.push(stored);
            last = Some(place);
        }
        Ok((page, last))
    }

    /// The first matches, in the order of the search.
    fn matches(&self, wanted: &Wanted<'_>) -> Result<Vec<Match>, StoreError> {
        let after = wanted.after;
        let after_key = match after {
            Some(place) if self.order.is_by_key() => place.key,
            Some(_) | None => i64::MIN,
        };
        let candidates = self.choose(after_key)?;
        if let Candidates::Gathered(_) = candidates {
            return self.walk(candidates, wanted, self.order.is_by_key());
        }
        let unsourced = self.all_sources()?.is_empty();
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
            if in_order && let Some(page) = self.short_walk(candidates.clone(), wanted)? {
                return Ok(page);
            }
            if let Some(candidates) = self.choose_looked_up(after_key)? {
                return self.walk(candidates, wanted, self.order.is_by_key());
            }
        }
        if unsourced && let Some(places) = self.places_by_index(wanted)? {
            return Ok(places.into_iter().map(|place| Match { place, stored: None }).collect());
        }
        self.walk(candidates, wanted, in_order)
    }

    fn chooser(&self, after_key: i64) -> Chooser<'_> {
        Chooser { reading: self.judge.reading, type_code: self.type_code, after_key }
    }

    fn choose(&self, after_key: i64) -> Result<Candidates, StoreError> {
        let chooser = self.chooser(after_key);
        let alone = self.compared.len() == self.conditions.len();
        if !alone && let Some(few) = chooser.smallest(&self.compared, FEW_CANDIDATES)? {
            // What else there is need not be found.
            return Ok(Candidates::Gathered(few));
        }
        let looking_up_nothing = self.alternatives()?.iter().chain(&self.compared);
        let mut best = chooser.smallest(looking_up_nothing, PROBE_CANDIDATES_MAX)?;
        if best.as_ref().is_none_or(|found| found.len() > FEW_CANDIDATES) {
            let found = chooser.smallest(self.looked_up()?, PROBE_CANDIDATES_MAX)?;
            best = [best, found].into_iter().flatten().min_by_key(Vec::len);
        }
        match best {
            Some(found) => Ok(Candidates::Gathered(found)),
            None => chooser.choose_large(&self.all_sources()?),
        }
    }

    /// The candidates of the most selective condition that looks up many, if they are not too
    /// many.
    fn choose_looked_up(&self, after_key: i64) -> Result<Option<Candidates>, StoreError> {
        let sources = self.sources_of(Effort::LookUps, LOOKED_UP_CANDIDATES_MAX)?;
        let found = self.chooser(after_key).smallest(&sources, GATHERED_CANDIDATES_MAX)?;
        Ok(found.map(Candidates::Gathered))
    }

    /// How many resources match.
    fn total(&self) -> Result<u64, StoreError> {
        let sources = self.all_sources()?;
        let statement = if self.conditions.is_empty() {
            Some(candidates::count_type_statement(self.type_code))
        } else if sources.len() == self.conditions.len() {
            count_statement(&sources)
        } else {
            None
        };
        if let Some(Statement { sql, values }) = statement {
            let session = self.judge.reading.session;
            let count: i64 = session.row(&sql, values, |row| row.get(0)).map_err(unavailable)?;
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

    fn target(&self, key: i64) -> Result<Target, StoreError> {
        self.judge
            .reading
            .session
            .row("SELECT id FROM resource WHERE key = ?1", [key], |found| self.target_of(found))
            .map_err(unavailable)
    }

    fn stored(&self, key: i64) -> Result<Stored, StoreError> {
        self.judge
            .reading
            .session
            .row("SELECT id, version, updated, body FROM resource WHERE key = ?1", [key], |found| {
                self.read(found, [1, 2, 3])
            })
            .map_err(unavailable)
    }

    fn read(&self, found: Row<'_>, columns: [usize; 3]) -> Found<Stored> {
        let target = self.target_of(found)?;
        row::stored(found, columns, target)?.ok_or_else(|| damaged(0, "a body"))
    }

    /// Its first column is the id.
    fn target_of(&self, found: Row<'_>) -> Found<Target> {
        let id = Id::parse(found.text(0)?).ok_or_else(|| damaged(0, "an id"))?;
        Ok(Target::new(self.query.resource_type, id))
    }
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
