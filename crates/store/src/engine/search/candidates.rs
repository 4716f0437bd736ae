//! Which rows a search looks at: those of its most selective criterion, or all of the type.

use super::sources::{Leg, Source};
use crate::StoreError;
use crate::database::{Result as Found, Sql, unavailable};
use crate::engine::dictionary::TypeCode;
use crate::engine::pool::Reading;
use crate::limits::{
    COUNTED_CANDIDATES_MAX, FEW_CANDIDATES, GATHERED_CANDIDATES_MAX, PROBE_LEGS_MAX, PROBES_MAX,
};

/// The rows to look at, in the order of their keys.
#[derive(Clone, Debug)]
pub(crate) enum Candidates {
    /// These.
    Gathered(Vec<i64>),
    /// Those that a statement gives, with repetitions.
    Streamed(Statement),
}

/// A statement and its values.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub sql: String,
    pub values: Vec<Sql<'static>>,
}

/// Chooses among the sources of a search's criteria.
pub(crate) struct Chooser<'a> {
    pub reading: &'a Reading<'a>,
    pub type_code: TypeCode,
    /// Only rows with a greater key are of interest.
    pub after_key: i64,
}

impl Chooser<'_> {
    /// The candidates of the most selective source, if it has not more than that many rows. A few
    /// look-ups find it: small sources are gathered whole while they are being looked at.
    pub(crate) fn smallest<'s>(
        &self,
        sources: impl IntoIterator<Item = &'s Source>,
        rows_max: usize,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        let mut best: Option<Vec<i64>> = None;
        let (ordered, ranges): (Vec<&Source>, Vec<&Source>) =
            sources.into_iter().partition(|source| source.ordered);
        for source in ordered.iter().chain(&ranges) {
            let Some(found) = self.gather(source, rows_max)? else { continue };
            if best.as_ref().is_none_or(|best| found.len() < best.len()) {
                best = Some(found);
            }
            if best.as_ref().is_some_and(|best| best.len() <= FEW_CANDIDATES) {
                break;
            }
        }
        Ok(best)
    }

    /// Every resource of the type.
    pub(crate) fn whole_type(&self) -> Candidates {
        Candidates::Streamed(whole_type(self.type_code, self.after_key))
    }

    /// Among sources that are all large; every resource of the type if there are none.
    pub(crate) fn choose_large(&self, sources: &[&Source]) -> Result<Candidates, StoreError> {
        let (ordered, ranges): (Vec<&Source>, Vec<&Source>) =
            sources.iter().partition(|source| source.ordered);
        let Some((first, others)) = ordered.split_first() else {
            for source in &ranges {
                if let Some(found) = self.gather(source, GATHERED_CANDIDATES_MAX)? {
                    return Ok(Candidates::Gathered(found));
                }
            }
            // So many of the type meet each that a page is soon found among all.
            return Ok(self.whole_type());
        };
        if others.is_empty() && ranges.is_empty() {
            return Ok(Candidates::Streamed(self.stream(first, &[])));
        }
        let mut least = (self.count(first, COUNTED_CANDIDATES_MAX)?, *first);
        for source in others.iter().chain(&ranges) {
            let count = self.count(source, least.0)?;
            if count < least.0 {
                least = (count, source);
            }
        }
        let (_, source) = least;
        if !source.ordered
            && let Some(found) = self.gather(source, COUNTED_CANDIDATES_MAX)?
        {
            return Ok(Candidates::Gathered(found));
        }
        let source = if source.ordered { source } else { first };
        let probes: Vec<&Source> =
            ordered.iter().copied().filter(|other| !std::ptr::eq(*other, source)).collect();
        Ok(Candidates::Streamed(self.stream(source, &probes)))
    }

    /// The keys of a source, in order; `None` if there are more than that many rows.
    fn gather(&self, source: &Source, rows_max: usize) -> Result<Option<Vec<i64>>, StoreError> {
        let mut keys = Vec::new();
        for leg in &source.legs {
            self.reading.check_time()?;
            let left = rows_max - keys.len();
            keys.extend(self.keys(leg, left + 1).map_err(unavailable)?);
            if keys.len() > rows_max {
                return Ok(None);
            }
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(Some(keys))
    }

    fn keys(&self, leg: &Leg, limit: usize) -> Found<Vec<i64>> {
        let Statement { mut sql, mut values } = select(leg, self.after_key, &[]);
        sql.push_str(" LIMIT ?");
        values.push((limit as i64).into());
        self.reading.session.every(&sql, values, |row| row.get(0))
    }

    /// How many rows a source has, up to a bound.
    pub(crate) fn count(&self, source: &Source, rows_max: usize) -> Result<usize, StoreError> {
        let mut count = 0;
        for leg in &source.legs {
            self.reading.check_time()?;
            let left = rows_max - count;
            let Statement { sql, mut values } = select(leg, self.after_key, &[]);
            values.push((left as i64).into());
            let found: i64 = self
                .reading
                .session
                .row(&format!("SELECT count(*) FROM ({sql} LIMIT ?) AS found"), values, |row| {
                    row.get(0)
                })
                .map_err(unavailable)?;
            count += usize::try_from(found).unwrap_or(left).min(left);
        }
        Ok(count)
    }

    /// The rows of an ordered source in order, those left out that some probe does not know.
    fn stream(&self, source: &Source, probes: &[&Source]) -> Statement {
        let probes = usable_probes(probes.iter().copied());
        // PostgreSQL merges legs that are in order by themselves; else it reads all to sort them.
        let leg_order = if source.legs.len() > 1 { " ORDER BY 1" } else { "" };
        let mut statement = union(source, &probes, self.after_key, leg_order);
        statement.sql.push_str(" ORDER BY 1");
        statement
    }
}

/// The statement that counts the resources that meet all of the sources, if the index alone can
/// tell.
pub(crate) fn count_statement(sources: &[&Source]) -> Option<Statement> {
    let mut ranges = sources.iter().copied().filter(|source| !source.ordered);
    let driver = ranges.next().or_else(|| sources.first().copied())?;
    let others = sources.iter().copied().filter(|source| !std::ptr::eq(*source, driver));
    let others: Vec<&Source> = others.collect();
    let probes = usable_probes(others.iter().copied());
    let decided = ranges.next().is_none()
        && probes.len() == others.len()
        && driver.legs.len() <= crate::limits::UNION_LEGS_MAX
        && sources.iter().all(|source| source.exact);
    if !decided {
        return None;
    }
    let Statement { sql, values } = union(driver, &probes, i64::MIN, "");
    Some(Statement {
        sql: format!("SELECT count(*) FROM (SELECT DISTINCT * FROM ({sql}) AS found) AS once"),
        values,
    })
}

/// The statement that counts all resources of a type.
pub(crate) fn count_type_statement(type_code: TypeCode) -> Statement {
    Statement {
        sql: "SELECT count(*) FROM resource WHERE type = ? AND deleted = 0".to_owned(),
        values: vec![type_code.into()],
    }
}

/// Every resource of a type, in the order of keys.
fn whole_type(type_code: TypeCode, after_key: i64) -> Statement {
    Statement {
        sql: "SELECT key FROM resource WHERE type = ? AND deleted = 0 AND key > ? ORDER BY key"
            .to_owned(),
        values: vec![type_code.into(), after_key.into()],
    }
}

/// Every resource of a type in the order of its last change, after a place in it.
pub(crate) fn by_updated(
    type_code: TypeCode,
    newest_first: bool,
    (updated, key): (i64, i64),
) -> Statement {
    let sql = if newest_first {
        "SELECT key FROM resource WHERE type = ? AND deleted = 0 AND (updated, key) < (?, ?)
         ORDER BY updated DESC, key DESC"
    } else {
        "SELECT key FROM resource WHERE type = ? AND deleted = 0 AND (updated, key) > (?, ?)
         ORDER BY updated, key"
    };
    Statement { sql: sql.to_owned(), values: vec![type_code.into(), updated.into(), key.into()] }
}

/// Probes find a row by its key; each is looked up once for every candidate.
fn usable_probes<'s>(probes: impl Iterator<Item = &'s Source>) -> Vec<&'s Source> {
    probes
        .filter(|probe| probe.ordered && probe.legs.len() <= PROBE_LEGS_MAX)
        .take(PROBES_MAX)
        .collect()
}

/// The rows of all legs, with repetitions, each leg in an order of its own.
fn union(source: &Source, probes: &[&Source], after_key: i64, leg_order: &str) -> Statement {
    if source.legs.is_empty() {
        return Statement {
            sql: "SELECT key FROM resource WHERE FALSE".to_owned(),
            values: Vec::new(),
        };
    }
    let mut union = Statement { sql: String::new(), values: Vec::new() };
    for leg in &source.legs {
        if !union.sql.is_empty() {
            union.sql.push_str(" UNION ALL ");
        }
        let Statement { sql, values } = select(leg, after_key, probes);
        if leg_order.is_empty() {
            union.sql.push_str(&sql);
        } else {
            union.sql.push_str(&format!("SELECT * FROM ({sql}{leg_order}) AS leg"));
        }
        union.values.extend(values);
    }
    union
}

fn select(leg: &Leg, after_key: i64, probes: &[&Source]) -> Statement {
    let Leg { table, column, conditions, values } = leg;
    let mut sql = format!(
        "SELECT d.{column} FROM {table} AS d WHERE {} AND d.{column} > ?",
        conditions.join(" AND ")
    );
    let mut values = values.clone();
    values.push(after_key.into());
    for probe in probes {
        // The offset keeps PostgreSQL from joining: it believes that each leg is one row, and would
        // read all of the leg for each candidate.
        let legs = probe.legs.iter().map(|leg| {
            values.extend(leg.values.iter().cloned());
            format!(
                "EXISTS (SELECT 1 FROM {} WHERE {} AND {} = d.{column} LIMIT 1 OFFSET 0)",
                leg.table,
                leg.conditions.join(" AND "),
                leg.column
            )
        });
        let legs: Vec<_> = legs.collect();
        let any = if legs.is_empty() { "FALSE".to_owned() } else { legs.join(" OR ") };
        sql.push_str(&format!(" AND ({any})"));
    }
    Statement { sql, values }
}
