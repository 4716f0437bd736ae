//! Jobs are taken once, resumed, given up and forgotten.

use rusqlite::Connection;

use super::*;

struct Opened(Connection);

impl Opened {
    fn new() -> Self {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::sqlite::schema::migrate(&mut connection).unwrap();
        Self(connection)
    }

    fn session(&self) -> Session<'_> {
        Session::Sqlite(&self.0)
    }

    fn queue(&self, id: &str, now: i64) {
        let new = NewJob { id: id.to_owned(), kind: "count".to_owned(), settings: "{}".to_owned() };
        queue(&self.session(), &new, at(now)).unwrap();
    }

    /// The job that a runner takes at a time.
    fn take(&self, owner: &str, now: i64) -> Option<JobLease> {
        let taken = take(&self.session(), owner, &["count"], at(now)).unwrap();
        assert!(taken.is_none() || taken.as_ref().unwrap().job.owner.as_deref() == Some(owner));
        taken
    }

    fn state(&self, id: &str) -> JobState {
        one(&self.session(), id).unwrap().unwrap().state
    }

    fn advance(&self, lease: &JobLease, done: u64, now: i64) -> JobGoes {
        let progress = JobProgress { done, total: 9, position: done.to_string() };
        advance(&self.session(), lease, &progress, at(now)).unwrap()
    }

    fn end(&self, lease: &JobLease, outcome: &JobEnd, now: i64) {
        end(&self.session(), lease, outcome, at(now)).unwrap();
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn failed() -> JobEnd {
    JobEnd::Failed("no luck".to_owned())
}

#[test]
fn a_job_is_taken_by_one_and_by_nobody_after_its_end() {
    let jobs = Opened::new();
    assert!(jobs.take("a", 0).is_none());
    jobs.queue("1", 0);
    jobs.queue("2", 1);
    let first = jobs.take("a", 2).unwrap();
    let second = jobs.take("b", 2).unwrap();
    assert_eq!([first.job.id.as_str(), second.job.id.as_str()], ["1", "2"]);
    assert!(jobs.take("a", 2).is_none());
    jobs.end(&first, &JobEnd::Done, 3);
    assert_eq!(jobs.state("1"), JobState::Done);
    assert!(jobs.take("a", 1_000_000).unwrap().job.id == "2", "its runner is gone");
    let ended = one(&jobs.session(), "1").unwrap().unwrap();
    assert_eq!((ended.ended, ended.owner), (Some(at(3)), None));
}

#[test]
fn jobs_of_unknown_kinds_are_left_to_those_who_know_them() {
    let jobs = Opened::new();
    jobs.queue("1", 0);
    assert!(take(&jobs.session(), "a", &["other"], at(1)).unwrap().is_none());
    assert!(!waits(&jobs.session(), &["other"], at(1)).unwrap());
    assert!(waits(&jobs.session(), &["other", "count"], at(1)).unwrap());
}

#[test]
fn a_job_whose_runner_is_gone_goes_on_where_it_was() {
    let jobs = Opened::new();
    jobs.queue("1", 0);
    let gone = jobs.take("a", 0).unwrap();
    assert_eq!(jobs.advance(&gone, 3, 10), JobGoes::On);
    let lease = JOB_LEASE.as_secs() as i64;
    assert!(jobs.take("b", 10 + lease - 1).is_none(), "the lease was renewed");
    let taken = jobs.take("b", 10 + lease).unwrap();
    assert_eq!((taken.job.progress.done, taken.job.progress.position.as_str()), (3, "3"));
    // The first one comes back, and finds that it is no longer its own.
    assert_eq!(jobs.advance(&gone, 4, 10 + lease), JobGoes::Lost);
    jobs.end(&gone, &JobEnd::Done, 10 + lease);
    assert_eq!(jobs.state("1"), JobState::Running);
    assert_eq!(jobs.advance(&taken, 5, 10 + lease), JobGoes::On);
}

#[test]
fn two_leases_of_one_runner_are_told_apart() {
    let jobs = Opened::new();
    jobs.queue("1", 0);
    let first = jobs.take("a", 0).unwrap();
    let second = jobs.take("a", 1_000).unwrap();
    assert_eq!(jobs.advance(&first, 1, 1_000), JobGoes::Lost);
    assert_eq!(jobs.advance(&second, 1, 1_000), JobGoes::On);
}

#[test]
fn a_job_that_never_gets_on_is_given_up() {
    let jobs = Opened::new();
    jobs.queue("1", 0);
    let mut now = 0;
    for attempt in 1..=JOB_ATTEMPTS_MAX {
        let lease = jobs.take("a", now).unwrap();
        assert_eq!(lease.job.attempts, attempt);
        jobs.end(&lease, &failed(), now);
        let pause = i64::try_from(pause_ms(attempt as i64) / 1_000).unwrap();
        if attempt < JOB_ATTEMPTS_MAX {
            assert!(jobs.take("a", now + pause - 1).is_none(), "it rests after attempt {attempt}");
        }
        now += pause;
    }
    assert!(jobs.take("a", now + 1_000_000).is_none());
    let job = one(&jobs.session(), "1").unwrap().unwrap();
    assert_eq!((job.state, job.error.as_deref()), (JobState::Failed, Some("no luck")));
    assert_eq!(pause_ms(40), JOB_PAUSE_MAX.as_millis());
}

#[test]
fn a_job_whose_runners_die_is_given_up_unless_it_gets_on() {
    let jobs = Opened::new();
    jobs.queue("1", 0);
    let later = |n: u64| n as i64 * 1_000;
    for attempt in 0..3 * JOB_ATTEMPTS_MAX {
        let lease = jobs.take("a", later(attempt)).unwrap();
        assert_eq!(jobs.advance(&lease, attempt, later(attempt)), JobGoes::On);
    }
    for attempt in 3 * JOB_ATTEMPTS_MAX..4 * JOB_ATTEMPTS_MAX {
        jobs.take("a", later(attempt)).unwrap();
    }
    assert!(jobs.take("a", later(4 * JOB_ATTEMPTS_MAX)).is_none());
    assert_eq!(jobs.state("1"), JobState::Failed);
}

#[test]
fn what_is_left_off_costs_no_attempt() {
    let jobs = Opened::new();
    jobs.queue("1", 0);
    for _ in 0..3 * JOB_ATTEMPTS_MAX {
        let lease = jobs.take("a", 0).unwrap();
        assert_eq!(lease.job.attempts, 1);
        jobs.end(&lease, &JobEnd::LeftOff, 0);
    }
    assert_eq!(jobs.state("1"), JobState::Waiting);
}

#[test]
fn a_job_is_cancelled_at_once_while_it_waits_and_by_its_runner_while_it_runs() {
    let jobs = Opened::new();
    let cancel = |id| cancel(&jobs.session(), id, at(5)).unwrap();
    assert!(cancel("1").is_none());
    jobs.queue("1", 0);
    assert_eq!(cancel("1").unwrap().state, JobState::Cancelled);
    jobs.queue("1", 0);
    let lease = jobs.take("a", 0).unwrap();
    let told = cancel("1").unwrap();
    assert_eq!((told.state, told.cancelling), (JobState::Running, true));
    assert_eq!(jobs.advance(&lease, 1, 6), JobGoes::Cancelled);
    jobs.end(&lease, &JobEnd::Cancelled, 6);
    assert_eq!(jobs.state("1"), JobState::Cancelled);
    // Told to end while nobody noticed: whoever comes next ends it.
    jobs.queue("1", 7);
    jobs.take("a", 7).unwrap();
    cancel("1").unwrap();
    assert!(jobs.take("b", 1_000).is_none());
    assert_eq!(jobs.state("1"), JobState::Cancelled);
}

#[test]
fn a_job_that_has_not_ended_is_not_queued_again() {
    let jobs = Opened::new();
    jobs.queue("1", 0);
    let lease = jobs.take("a", 0).unwrap();
    jobs.advance(&lease, 3, 1);
    jobs.queue("1", 2);
    assert_eq!(jobs.advance(&lease, 4, 3), JobGoes::On);
    jobs.end(&lease, &JobEnd::Done, 3);
    jobs.queue("1", 4);
    let again = jobs.take("a", 4).unwrap();
    assert_eq!(again.job.progress, JobProgress::default());
    assert_eq!(jobs.advance(&lease, 5, 4), JobGoes::Lost);
}

#[test]
fn ended_jobs_are_kept_for_a_bounded_time_and_only_so_many() {
    let jobs = Opened::new();
    let ids = || list(&jobs.session()).unwrap().into_iter().map(|job| job.id).collect::<Vec<_>>();
    jobs.queue("old", 0);
    jobs.queue("waits", 0);
    jobs.end(&jobs.take("a", 0).unwrap(), &JobEnd::Done, 1);
    let kept = JOB_KEPT.as_secs() as i64;
    forget(&jobs.session(), at(1 + kept)).unwrap();
    assert_eq!(ids().len(), 2);
    forget(&jobs.session(), at(2 + kept)).unwrap();
    assert_eq!(ids(), ["waits"]);
    for number in 0..JOBS_ENDED_MAX + 5 {
        let end = "INSERT INTO job (id, kind, settings, state, created, updated, ended)
                   VALUES (?1, 'count', '', 'done', ?2, ?2, ?2)";
        jobs.0.execute(end, (number.to_string(), at(number as i64).as_millisecond())).unwrap();
    }
    assert_eq!(ids().len(), JOBS_LISTED_MAX);
    forget(&jobs.session(), at(JOBS_ENDED_MAX as i64 + 5)).unwrap();
    let counts = count(&jobs.session()).unwrap();
    let of = |name: &str, state, count| (name.to_owned(), state, count);
    assert_eq!(
        counts,
        [of("count", JobState::Done, JOBS_ENDED_MAX as u64), of("count", JobState::Waiting, 1)]
    );
    assert!(one(&jobs.session(), "4").unwrap().is_none());
}

#[test]
fn why_a_job_failed_is_told_in_a_bounded_text() {
    let jobs = Opened::new();
    jobs.queue("1", 0);
    let lease = jobs.take("a", 0).unwrap();
    jobs.end(&lease, &JobEnd::Failed("é".repeat(2 * JOB_ERROR_CHARACTERS_MAX)), 0);
    let error = one(&jobs.session(), "1").unwrap().unwrap().error.unwrap();
    assert_eq!(error.chars().count(), JOB_ERROR_CHARACTERS_MAX);
}
