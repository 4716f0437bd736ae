//! Walks the candidates of a search, and keeps the first matches.

use super::Search;
use super::candidates::{Candidates, Statement};
use crate::database::{OptionalRow, Row, Statement as Prepared, unavailable};
use crate::engine::judge::unpacked;
use crate::engine::row;
use crate::limits::WALKED_ROWS_MAX;
use crate::matches::Candidate;
use crate::sort::{Order, Place};
use crate::{StoreError, Stored};

/// Which matches of a search are wanted.
pub(super) struct Wanted<'p> {
    /// Those after this place.
    pub after: Option<&'p Place>,
    /// So many at most.
    pub count: usize,
    /// Their bodies too, until they have so many bytes: one match more, and the page is full.
    pub body_bytes_max: Option<usize>,
}

/// A resource that matches.
pub(super) struct Match {
    pub place: Place,
    /// Where it was read already.
    pub stored: Option<Stored>,
}

/// What is read of each candidate.
#[derive(Clone, Copy)]
pub(super) enum Looks {
    /// What decides whether it matches, and its place.
    Values,
    /// The body as well, when a match is on the page for sure.
    Whole,
}

impl Search<'_> {
    /// The first matches among the candidates.
    pub(super) fn walk(
        &self,
        candidates: Candidates,
        wanted: &Wanted<'_>,
        in_order: bool,
    ) -> Result<Vec<Match>, StoreError> {
        let mut best = Best::new(&self.order, wanted, in_order);
        self.each_match(candidates, best.looks(), |found| best.take(found))?;
        Ok(best.finish())
    }

    /// The same of candidates that come in order; `None` if the page is not full after some rows.
    pub(super) fn short_walk(
        &self,
        candidates: Candidates,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Vec<Match>>, StoreError> {
        let mut best = Best::new(&self.order, wanted, true);
        let mut walked = 0;
        self.each_match(candidates, best.looks(), |found| {
            walked += 1;
            best.take(found) && walked < WALKED_ROWS_MAX
        })?;
        let enough = best.is_full() || walked < WALKED_ROWS_MAX;
        Ok(enough.then(|| best.finish()))
    }

    /// Gives each candidate that matches, and `None` for each that does not, until told to stop.
    pub(super) fn each_match(
        &self,
        candidates: Candidates,
        looks: Looks,
        mut take: impl FnMut(Option<Match>) -> bool,
    ) -> Result<(), StoreError> {
        let mut look = self.look(looks)?;
        let session = self.judge.reading.session;
        let together = match looks {
            Looks::Values => session.looks_together(),
            Looks::Whole => session.bodies_together(),
        };
        let mut go_on = |keys: &[i64]| self.matching_each(&mut look, looks, keys, &mut take);
        match candidates {
            Candidates::Gathered(keys) => {
                for keys in keys.chunks(together) {
                    if !go_on(keys)? {
                        break;
                    }
                }
            }
            Candidates::Streamed(Statement { sql, values }) => {
                let mut statement = session.prepare(&sql).map_err(unavailable)?;
                let mut rows = statement.rows(values).map_err(unavailable)?;
                let (mut last, mut keys) = (None, Vec::with_capacity(together));
                while let Some(found) = rows.next().map_err(unavailable)? {
                    let key: i64 = found.get(0).map_err(unavailable)?;
                    if last.replace(key) != Some(key) {
                        keys.push(key);
                    }
                    if keys.len() >= together {
                        if !go_on(&keys)? {
                            return Ok(());
                        }
                        keys.clear();
                    }
                }
                go_on(&keys)?;
            }
        }
        Ok(())
    }

    /// Gives what is known of each of the keys, in their order; whether more are looked for.
    fn matching_each(
        &self,
        look: &mut Prepared<'_>,
        looks: Looks,
        keys: &[i64],
        take: &mut impl FnMut(Option<Match>) -> bool,
    ) -> Result<bool, StoreError> {
        self.judge.reading.check_time()?;
        let mut outcome = Ok(true);
        let looked = look.row_of_each(keys, |key, found| {
            let found = found.map_or(Ok(None), |found| self.matched(looks, key, found));
            outcome = found.map(&mut *take);
            matches!(outcome, Ok(true))
        });
        looked.map_err(unavailable)?;
        outcome
    }

    pub(super) fn look(&self, looks: Looks) -> Result<Prepared<'_>, StoreError> {
        let sql = match looks {
            Looks::Values => {
                "SELECT id, updated, packed FROM resource WHERE key = ?1 AND deleted = 0"
            }
            Looks::Whole => {
                "SELECT id, updated, packed, version, body FROM resource
                 WHERE key = ?1 AND deleted = 0"
            }
        };
        self.judge.reading.session.prepare(sql).map_err(unavailable)
    }

    /// The resource of that key, if it matches.
    pub(super) fn matching(
        &self,
        look: &mut Prepared<'_>,
        looks: Looks,
        key: i64,
    ) -> Result<Option<Match>, StoreError> {
        self.judge.reading.check_time()?;
        let found = look.row([key], |found| Ok(self.matched(looks, key, found)));
        found.optional().map_err(unavailable)?.unwrap_or(Ok(None))
    }

    fn matched(&self, looks: Looks, key: i64, found: Row<'_>) -> Result<Option<Match>, StoreError> {
        let Some(place) = self.place(key, found)? else { return Ok(None) };
        let stored = match looks {
            Looks::Values => None,
            Looks::Whole => Some(self.read(found, [3, 1, 4]).map_err(unavailable)?),
        };
        Ok(Some(Match { place, stored }))
    }

    fn place(&self, key: i64, found: Row<'_>) -> Result<Option<Place>, StoreError> {
        let id = found.text(0).map_err(unavailable)?;
        let packed = found.blob(2).map_err(unavailable)?;
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
}

/// The first matches of an order, of all that are taken.
struct Best<'a> {
    order: &'a Order<'a>,
    wanted: &'a Wanted<'a>,
    /// Whether the matches come in the order: then the first ones are on the page for sure.
    in_order: bool,
    matches: Vec<Match>,
    body_bytes: usize,
    /// The same without the last match.
    body_bytes_before: usize,
}

impl<'a> Best<'a> {
    fn new(order: &'a Order<'a>, wanted: &'a Wanted<'a>, in_order: bool) -> Self {
        let (matches, body_bytes, body_bytes_before) = (Vec::new(), 0, 0);
        Self { order, wanted, in_order, matches, body_bytes, body_bytes_before }
    }

    fn looks(&self) -> Looks {
        if self.in_order && self.wanted.body_bytes_max.is_some() {
            Looks::Whole
        } else {
            Looks::Values
        }
    }

    /// Takes a match, if it was one. Whether more are looked for.
    fn take(&mut self, found: Option<Match>) -> bool {
        if let Some(found) = found.filter(|found| self.is_wanted(found)) {
            self.body_bytes_before = self.body_bytes;
            self.body_bytes += found.stored.as_ref().map_or(0, |stored| stored.body.len());
            self.matches.push(found);
            // Sorted once in a while, so that each costs little and few are held.
            if self.matches.len() > 2 * self.wanted.count + 16 {
                self.shrink();
            }
        }
        !self.is_full()
    }

    fn is_wanted(&self, found: &Match) -> bool {
        self.wanted.after.is_none_or(|after| self.order.compare(&found.place, after).is_gt())
    }

    /// Whether no later match is wanted.
    fn is_full(&self) -> bool {
        let bytes_max = self.wanted.body_bytes_max;
        let full = self.matches.len() >= self.wanted.count
            || bytes_max.is_some_and(|bytes_max| self.body_bytes_before >= bytes_max);
        self.in_order && full
    }

    fn shrink(&mut self) {
        self.matches.sort_by(|a, b| self.order.compare(&a.place, &b.place));
        self.matches.truncate(self.wanted.count);
    }

    fn finish(mut self) -> Vec<Match> {
        self.shrink();
        self.matches
    }
}
