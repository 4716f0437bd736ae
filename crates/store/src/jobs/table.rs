//! Jobs in the database. All of it runs in the writer's transaction, but for the looks at them.

use firewarden_fhir::Timestamp;

use super::{Job, JobEnd, JobGoes, JobLease, JobProgress, JobState, NewJob};
use crate::database::{OptionalRow, Result as Done, Row, Session, Sql, damaged};
use crate::limits::{
    JOB_ATTEMPTS_MAX, JOB_ERROR_CHARACTERS_MAX, JOB_KEPT, JOB_LEASE, JOB_PAUSE, JOB_PAUSE_MAX,
    JOBS_ENDED_MAX, JOBS_LISTED_MAX,
};

const COLUMNS: &str = "id, kind, settings, state, cancelling, done, total, position, owner, \
                       attempts, error, created, updated, ended, takes";

/// Queues a job. One that has ended is begun anew; one that has not is left as it is.
pub(crate) fn queue(session: &Session<'_>, new: &NewJob, now: Timestamp) -> Done<()> {
    let now = now.as_millisecond();
    session
        .run(
            "INSERT INTO job (id, kind, settings, state, created, updated)
             VALUES (?1, ?2, ?3, 'waiting', ?4, ?4)
             ON CONFLICT (id) DO UPDATE SET
               kind = excluded.kind, settings = excluded.settings, state = 'waiting',
               cancelling = 0, done = 0, total = 0, position = '', owner = '', expires = 0,
               attempts = 0, not_before = 0, error = '', created = excluded.created,
               updated = excluded.updated, ended = 0
             WHERE job.state IN ('done', 'failed', 'cancelled')",
            (new.id.as_str(), new.kind.as_str(), new.settings.as_str(), now),
        )
        .map(drop)
}

/// Takes the oldest job of these kinds that nobody runs, or whose runner is gone.
pub(crate) fn take(
    session: &Session<'_>,
    owner: &str,
    kinds: &[&str],
    now: Timestamp,
) -> Done<Option<JobLease>> {
    while let Some(found) = next(session, kinds, now, session.skipping_locked())? {
        if found.cancelling {
            settle(session, &found.id, JobState::Cancelled, now)?;
        } else if found.attempts >= JOB_ATTEMPTS_MAX {
            settle(session, &found.id, JobState::Failed, now)?;
        } else {
            let expires = after(now, JOB_LEASE.as_millis());
            let taken = session.row(
                &format!(
                    "UPDATE job SET state = 'running', owner = ?2, expires = ?3, updated = ?4,
                       takes = takes + 1, attempts = attempts + 1
                     WHERE id = ?1 RETURNING {COLUMNS}"
                ),
                (found.id.as_str(), owner, expires, now.as_millisecond()),
                |row| Ok(JobLease { job: job(row)?, takes: row.get(14)? }),
            )?;
            return Ok(Some(taken));
        }
    }
    Ok(None)
}

/// Whether there is a job to be taken: to be asked outside of the writer.
pub(crate) fn waits(session: &Session<'_>, kinds: &[&str], now: Timestamp) -> Done<bool> {
    next(session, kinds, now, "").map(|found| found.is_some())
}

fn next(session: &Session<'_>, kinds: &[&str], now: Timestamp, locking: &str) -> Done<Option<Job>> {
    let places = vec!["?"; kinds.len()].join(", ");
    let sql = format!(
        "SELECT {COLUMNS} FROM job
         WHERE ((state = 'waiting' AND not_before <= ?) OR (state = 'running' AND expires <= ?))
           AND kind IN ({places})
         ORDER BY created, id LIMIT 1 {locking}"
    );
    let now = now.as_millisecond();
    let mut values: Vec<Sql<'_>> = vec![now.into(), now.into()];
    values.extend(kinds.iter().map(|kind| Sql::from(*kind)));
    session.row(&sql, values, job).optional()
}

fn settle(session: &Session<'_>, id: &str, state: JobState, now: Timestamp) -> Done<()> {
    session
        .run(
            "UPDATE job SET state = ?2, owner = '', expires = 0, updated = ?3, ended = ?3
             WHERE id = ?1",
            (id, state.name(), now.as_millisecond()),
        )
        .map(drop)
}

/// Notes how far the job came, and renews the lease.
pub(crate) fn advance(
    session: &Session<'_>,
    lease: &JobLease,
    progress: &JobProgress,
    now: Timestamp,
) -> Done<JobGoes> {
    let told = session
        .row(
            "UPDATE job SET
               attempts = CASE WHEN position = ?5 THEN attempts ELSE 0 END,
               done = ?3, total = ?4, position = ?5, expires = ?6, updated = ?7
             WHERE id = ?1 AND takes = ?2 AND state = 'running' RETURNING cancelling",
            vec![
                lease.job.id.as_str().into(),
                lease.takes.into(),
                number(progress.done).into(),
                number(progress.total).into(),
                progress.position.as_str().into(),
                after(now, JOB_LEASE.as_millis()).into(),
                now.as_millisecond().into(),
            ],
            |row| row.get::<bool>(0),
        )
        .optional()?;
    Ok(match told {
        None => JobGoes::Lost,
        Some(true) => JobGoes::Cancelled,
        Some(false) => JobGoes::On,
    })
}

/// Ends an attempt. A lease that is over ends nothing.
pub(crate) fn end(
    session: &Session<'_>,
    lease: &JobLease,
    end: &JobEnd,
    now: Timestamp,
) -> Done<()> {
    let held = session
        .row(
            "SELECT attempts FROM job WHERE id = ?1 AND takes = ?2 AND state = 'running'",
            (lease.job.id.as_str(), lease.takes),
            |row| row.get::<i64>(0),
        )
        .optional()?;
    let Some(attempts) = held else { return Ok(()) };
    let id = lease.job.id.as_str();
    match end {
        JobEnd::Done => settle(session, id, JobState::Done, now),
        JobEnd::Cancelled => settle(session, id, JobState::Cancelled, now),
        JobEnd::LeftOff => again(session, id, (attempts - 1).max(0), (now.as_millisecond(), now)),
        JobEnd::Failed(why) => {
            let why: String = why.chars().take(JOB_ERROR_CHARACTERS_MAX).collect();
            session.run("UPDATE job SET error = ?2 WHERE id = ?1", (id, why))?;
            if u64::try_from(attempts).unwrap_or_default() >= JOB_ATTEMPTS_MAX {
                return settle(session, id, JobState::Failed, now);
            }
            again(session, id, attempts, (after(now, pause_ms(attempts)), now))
        }
    }
}

/// Lets the job be taken again, not before a time.
fn again(
    session: &Session<'_>,
    id: &str,
    attempts: i64,
    (not_before, now): (i64, Timestamp),
) -> Done<()> {
    session
        .run(
            "UPDATE job SET state = 'waiting', owner = '', expires = 0, attempts = ?2,
               not_before = ?3, updated = ?4
             WHERE id = ?1",
            (id, attempts, not_before, now.as_millisecond()),
        )
        .map(drop)
}

/// How long a job rests after so many attempts that came to nothing.
fn pause_ms(attempts: i64) -> u128 {
    let doublings = u32::try_from(attempts.clamp(1, 16) - 1).unwrap_or_default();
    (JOB_PAUSE.as_millis() << doublings).min(JOB_PAUSE_MAX.as_millis())
}

/// Tells a job to end; the job, if there is one.
pub(crate) fn cancel(session: &Session<'_>, id: &str, now: Timestamp) -> Done<Option<Job>> {
    let at = now.as_millisecond();
    session.run(
        "UPDATE job SET state = 'cancelled', updated = ?2, ended = ?2
         WHERE id = ?1 AND state = 'waiting'",
        (id, at),
    )?;
    session.run(
        "UPDATE job SET cancelling = 1, updated = ?2 WHERE id = ?1 AND state = 'running'",
        (id, at),
    )?;
    one(session, id)
}

/// Forgets jobs that ended long ago, and of the others the oldest when they are too many.
pub(crate) fn forget(session: &Session<'_>, now: Timestamp) -> Done<()> {
    session.run(
        "DELETE FROM job WHERE ended > 0 AND ended < ?1",
        [after(now, 0).saturating_sub(milliseconds(JOB_KEPT.as_millis()))],
    )?;
    session
        .run(
            "DELETE FROM job WHERE ended > 0 AND id NOT IN
               (SELECT id FROM job WHERE ended > 0 ORDER BY ended DESC, id LIMIT ?1)",
            [number(JOBS_ENDED_MAX as u64)],
        )
        .map(drop)
}

/// Lets jobs be taken that somebody runs: nobody else has this database open.
pub(crate) fn nobody_runs(session: &Session<'_>) -> Done<()> {
    session.run("UPDATE job SET expires = 0 WHERE state = 'running'", ()).map(drop)
}

/// The job of an id.
pub(crate) fn one(session: &Session<'_>, id: &str) -> Done<Option<Job>> {
    session.row(&format!("SELECT {COLUMNS} FROM job WHERE id = ?1"), [id], job).optional()
}

/// The jobs, the newest first.
pub(crate) fn list(session: &Session<'_>) -> Done<Vec<Job>> {
    let sql = format!("SELECT {COLUMNS} FROM job ORDER BY created DESC, id DESC LIMIT ?1");
    session.every(&sql, [number(JOBS_LISTED_MAX as u64)], job)
}

/// How many jobs there are of each kind and state.
pub(crate) fn count(session: &Session<'_>) -> Done<Vec<(String, JobState, u64)>> {
    let sql = "SELECT kind, state, count(*) FROM job GROUP BY kind, state ORDER BY kind, state";
    session.every(sql, (), |row| Ok((row.get(0)?, state(row, 1)?, positive(row, 2)?)))
}

fn job(row: Row<'_>) -> Done<Job> {
    let text = |column| row.get::<String>(column);
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let ended: i64 = row.get(13)?;
    Ok(Job {
        id: text(0)?,
        kind: text(1)?,
        settings: text(2)?,
        state: state(row, 3)?,
        cancelling: row.get(4)?,
        progress: JobProgress {
            done: positive(row, 5)?,
            total: positive(row, 6)?,
            position: text(7)?,
        },
        owner: some(text(8)?),
        attempts: positive(row, 9)?,
        error: some(text(10)?),
        created: time(row, 11)?,
        updated: time(row, 12)?,
        ended: if ended == 0 { None } else { Some(time(row, 13)?) },
    })
}

fn state(row: Row<'_>, column: usize) -> Done<JobState> {
    JobState::parse(row.text(column)?).ok_or_else(|| damaged(column, "not a state"))
}

fn positive(row: Row<'_>, column: usize) -> Done<u64> {
    u64::try_from(row.get::<i64>(column)?).map_err(|error| damaged(column, error))
}

fn time(row: Row<'_>, column: usize) -> Done<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|error| damaged(column, error))
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn milliseconds(milliseconds: u128) -> i64 {
    i64::try_from(milliseconds).unwrap_or(i64::MAX)
}

fn after(now: Timestamp, by_ms: u128) -> i64 {
    now.as_millisecond().saturating_add(milliseconds(by_ms))
}

#[cfg(test)]
mod tests;
