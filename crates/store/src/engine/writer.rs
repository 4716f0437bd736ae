//! The writer: one thread, one connection, requests committed in groups.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::apply::{Failed, Tools, apply};
use super::dictionary::{Dictionary, Systems};
use super::index_writes::IndexWrites;
use super::load::{self, LoadDone, LoadJob, LoadTask};
use super::writing::{Home, NotCommitted, Writing};
use crate::database::{self, Failure, Session};
use crate::limits::{
    BATCH_REQUESTS_MAX, BATCH_TRIES_MAX, BATCH_WRITES_MAX, LOAD_TRIES_MAX, REQUEST_TRIES_MAX,
    WRITE_QUEUE_REQUESTS_MAX,
};
use crate::postgres::lease::Lease;
use crate::prepare::{Prepared, PreparedWrite};
use crate::seal::Seal;
use crate::{StoreError, WriteError, Written};

type Outcome = Result<Vec<Written>, WriteError>;

/// Where the fate of a queued request arrives.
pub(crate) type Answer = oneshot::Receiver<Outcome>;

enum Message {
    Write(Job),
    Load(LoadJob),
    /// To connect again, if there is no connection.
    Connect,
    Close(oneshot::Sender<Result<(), StoreError>>),
}

struct Job {
    request: Prepared,
    answer: oneshot::Sender<Outcome>,
}

/// The way to the writer's thread, which ends when this is dropped.
pub(crate) struct Writer {
    queue: mpsc::Sender<Message>,
    connected: Arc<AtomicBool>,
}

/// What the thread starts with.
pub(crate) struct Start {
    pub home: Home,
    pub writing: Writing,
    pub dictionary: Arc<Dictionary>,
    pub seal: Arc<Seal>,
    pub policy_version: Arc<AtomicU64>,
    /// What other nodes go by, where there may be some.
    pub others: Option<Arc<Lease>>,
}

impl Writer {
    pub(crate) fn start(start: Start) -> Result<Self, StoreError> {
        let (queue, requests) = mpsc::channel(WRITE_QUEUE_REQUESTS_MAX);
        let connected = Arc::new(AtomicBool::new(true));
        let thread = WriterThread {
            writing: Some(start.writing),
            home: start.home,
            dictionary: start.dictionary,
            seal: start.seal,
            systems: Systems::default(),
            policy_version: start.policy_version,
            tells_of: None,
            others: start.others,
            connected: connected.clone(),
        };
        thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || thread.run(requests))
            .map_err(|e| StoreError::Unavailable(e.to_string()))?;
        Ok(Self { queue, connected })
    }

    /// Queues a request; refused when too many wait.
    pub(crate) fn queue(&self, request: Prepared) -> Result<Answer, WriteError> {
        let (answer, receiver) = oneshot::channel();
        match self.queue.try_send(Message::Write(Job { request, answer })) {
            Ok(()) => Ok(receiver),
            Err(TrySendError::Full(_)) => Err(WriteError::Busy),
            Err(TrySendError::Closed(_)) => Err(WriteError::Unavailable(CLOSED.to_owned())),
        }
    }

    /// Queues a task of a load, when there is room for it.
    pub(crate) async fn load(&self, job: LoadJob) -> Result<(), WriteError> {
        let queued = self.queue.send(Message::Load(job)).await;
        queued.map_err(|_| WriteError::Unavailable(CLOSED.to_owned()))
    }

    /// Requests in the queue.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Whether the thread lives and has its connection. One that has lost it is asked to connect
    /// again: a server that says that it is not ready is sent no write that would.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        if !self.queue.is_closed() && self.connected.load(Ordering::Acquire) {
            Ok(())
        } else {
            if self.waiting() == 0 {
                // What is queued meanwhile connects as well.
                let _ = self.queue.try_send(Message::Connect);
            }
            Err(StoreError::Unavailable("the writer has no database".to_owned()))
        }
    }

    /// Ends the thread after what is queued.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let closed = || StoreError::Unavailable(CLOSED.to_owned());
        let (answer, receiver) = oneshot::channel();
        self.queue.send(Message::Close(answer)).await.map_err(|_| closed())?;
        receiver.await.map_err(|_| closed())?
    }
}

const CLOSED: &str = "the store is closed";

/// The policy version that is stored.
pub(crate) fn policy_version(session: &Session<'_>) -> database::Result<u64> {
    session
        .row("SELECT policy_version FROM state", (), |row| row.get::<i64>(0))
        .map(|version| u64::try_from(version).unwrap_or_default())
}

struct WriterThread {
    /// `None` after a failure, until it can be opened again.
    writing: Option<Writing>,
    home: Home,
    dictionary: Arc<Dictionary>,
    seal: Arc<Seal>,
    systems: Systems,
    policy_version: Arc<AtomicU64>,
    /// The version of the policies that the answers tell of, if they do: one that says that a policy
    /// is gone does, whoever deleted it.
    tells_of: Option<u64>,
    others: Option<Arc<Lease>>,
    connected: Arc<AtomicBool>,
}

impl WriterThread {
    fn run(mut self, mut requests: mpsc::Receiver<Message>) {
        while let Some(message) = requests.blocking_recv() {
            let (jobs, last) = gather(message, &mut requests);
            if !jobs.is_empty() {
                self.batch(jobs);
            }
            match last {
                Some(Last::Load(job)) => self.load(job),
                Some(Last::Connect) => self.connect(),
                Some(Last::Close(answer)) => {
                    requests.close();
                    let outcome = self.finish();
                    // The file is free before the close is answered.
                    self.writing = None;
                    self.home.release();
                    // Nobody may be waiting any more.
                    let _ = answer.send(outcome);
                    return;
                }
                None => {}
            }
        }
    }

    fn connect(&mut self) {
        if self.writing.is_none() {
            self.writing = self.reopen().ok();
        }
    }

    fn batch(&mut self, jobs: Vec<Job>) {
        let (requests, answers): (Vec<_>, Vec<_>) =
            jobs.into_iter().map(|job| (job.request, job.answer)).unzip();
        self.tells_of = None;
        let outcomes = self.outcomes(requests);
        let told: Vec<_> = answers.into_iter().zip(outcomes).collect();
        self.acknowledge(move || {
            for (answer, outcome) in told {
                // A caller that left does not undo its write.
                let _ = answer.send(outcome);
            }
        });
    }

    /// Tells what was committed.
    fn acknowledge(&self, tell: impl FnOnce() + Send + 'static) {
        match (&self.others, self.tells_of) {
            // INVARIANT: a change of policies is acknowledged when no node goes by older ones.
            (Some(others), Some(version)) => others.after_acknowledgement(version, tell),
            (Some(_), None) | (None, _) => tell(),
        }
    }

    /// The outcome of each request. None of them leaves before the commit.
    fn outcomes(&mut self, requests: Vec<Prepared>) -> Vec<Outcome> {
        let count = requests.len();
        let committed = if self.home.is_shared() {
            self.commit_among_others(requests)
        } else {
            self.commit(requests)
        };
        match committed {
            Ok(outcomes) => outcomes,
            Err(failed) => {
                let outcome = self.recover(failed);
                (0..count).map(|_| Err(outcome())).collect()
            }
        }
    }

    /// Commits where others write as well. What they were in the way of is done again: together,
    /// and then one by one, so that one that others are always in the way of holds up nobody. So is,
    /// once, what was begun on a connection that was lost before its commit.
    fn commit_among_others(
        &mut self,
        requests: Vec<Prepared>,
    ) -> Result<Vec<Outcome>, NotCommitted> {
        let mut was_lost = false;
        for _ in 0..BATCH_TRIES_MAX {
            match self.commit(requests.clone()) {
                Err(NotCommitted::Before(failure)) if failure.is_conflict() => {
                    self.systems.forget()
                }
                Err(NotCommitted::Before(failure)) if !was_lost && failure.is_loss() => {
                    was_lost = true;
                    self.writing = None;
                    self.systems.forget();
                }
                outcome => return outcome,
            }
        }
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in requests {
            outcomes.push(self.commit_alone(&request)?);
        }
        Ok(outcomes)
    }

    fn commit_alone(&mut self, request: &Prepared) -> Result<Outcome, NotCommitted> {
        for _ in 0..REQUEST_TRIES_MAX {
            match self.commit(vec![request.clone()]) {
                Err(NotCommitted::Before(failure)) if failure.is_conflict() => {
                    self.systems.forget()
                }
                Ok(outcome) => {
                    return Ok(outcome.into_iter().next().unwrap_or(Err(WriteError::Busy)));
                }
                Err(failed) => {
                    let outcome = self.recover(failed);
                    return Ok(Err(outcome()));
                }
            }
        }
        Ok(Err(WriteError::Busy))
    }

    /// Does a task of a load, in a transaction of its own; again, when others were in the way of it.
    fn load(&mut self, LoadJob { mut task, answer }: LoadJob) {
        let mut tries = if self.home.is_shared() { LOAD_TRIES_MAX } else { 1 };
        self.tells_of = None;
        let outcome = loop {
            tries -= 1;
            let next = (tries > 0).then(|| task.clone());
            match (self.commit_load(task), next) {
                (Err(NotCommitted::Before(failure)), Some(again)) if failure.is_conflict() => {
                    self.systems.forget();
                    task = again;
                }
                (done, _) => break done,
            }
        };
        let outcome = outcome.map_err(|failed| self.recover(failed)());
        self.acknowledge(move || {
            // A load that was given up may not wait for it.
            let _ = answer.send(outcome);
        });
    }

    fn commit_load(&mut self, task: LoadTask) -> Result<LoadDone, NotCommitted> {
        let mut writing = match self.writing.take().filter(|writing| !writing.is_lost()) {
            Some(writing) => writing,
            None => self.reopen().map_err(NotCommitted::Before)?,
        };
        let is_shared = self.home.is_shared();
        let (dictionary, seal, systems) = (&*self.dictionary, &*self.seal, &mut self.systems);
        let committed = writing.transaction(|session, allowance| {
            let tools = Tools { session, dictionary, seal, allowance };
            if is_shared {
                dictionary.require_current(session)?;
            }
            let done = load::run(task, tools, systems)?;
            if done.policies_changed {
                session.mark("UPDATE state SET policy_version = policy_version + 1")?;
            }
            Ok((done, policy_version(session)?))
        });
        self.writing = Some(writing);
        let (done, policies) = committed?;
        self.policy_version.store(policies, Ordering::Release);
        if done.policies_changed {
            self.tells_of = Some(policies);
        }
        Ok(done)
    }

    /// Applies the requests and commits those that were not refused.
    fn commit(&mut self, requests: Vec<Prepared>) -> Result<Vec<Outcome>, NotCommitted> {
        let mut writing = match self.writing.take().filter(|writing| !writing.is_lost()) {
            Some(writing) => writing,
            None => self.reopen().map_err(NotCommitted::Before)?,
        };
        let is_shared = self.home.is_shared();
        let (dictionary, seal, systems) = (&*self.dictionary, &*self.seal, &mut self.systems);
        let committed = writing.transaction(|session, allowance| {
            let tools = Tools { session, dictionary, seal, allowance };
            if is_shared {
                dictionary.require_current(session)?;
            }
            let (policies, index) = (policy_version(session)?, IndexWrites::default());
            let mut batch = Batch { tools, systems, policies, is_of_policies: false, index };
            let outcomes: database::Result<Vec<_>> =
                requests.into_iter().map(|request| batch.one(request)).collect();
            let outcomes = outcomes?;
            batch.write_index()?;
            Ok((outcomes, batch.policies, batch.is_of_policies))
        });
        self.writing = Some(writing);
        let (outcomes, policies, is_of_policies) = committed?;
        self.policy_version.store(policies, Ordering::Release);
        if is_of_policies {
            self.tells_of = Some(policies);
        }
        Ok(outcomes)
    }

    /// After a failure nothing is known of the connection: it is closed, and opened anew. A flush
    /// that failed is never tried again, for the system may have dropped the pages.
    fn recover(&mut self, failed: NotCommitted) -> impl Fn() -> WriteError + use<> {
        let (error, fate_known) = match failed {
            NotCommitted::Before(error) => (error, true),
            NotCommitted::AtCommit(error) => (error, false),
        };
        tracing::error!(%error, fate_known, "a batch of writes failed");
        self.systems.forget();
        self.connected.store(false, Ordering::Release);
        self.writing = None;
        // What could not be reached a moment ago is tried with the next batch: this one has waited.
        if !matches!(error, Failure::Unreachable(_)) {
            self.connect();
        }
        let message = error.to_string();
        move || match fate_known {
            true => WriteError::Unavailable(message.clone()),
            false => WriteError::Unknown(message.clone()),
        }
    }

    fn reopen(&mut self) -> database::Result<Writing> {
        let writing = self.home.open()?;
        // What a commit of unknown fate has changed counts from here on.
        self.policy_version.store(writing.look(policy_version)?, Ordering::Release);
        self.connected.store(true, Ordering::Release);
        Ok(writing)
    }

    fn finish(&self) -> Result<(), StoreError> {
        match &self.writing {
            Some(writing) => writing.finish(),
            None => Err(StoreError::Unavailable("the writer has no database".to_owned())),
        }
    }
}

/// What is done after a batch.
enum Last {
    Load(LoadJob),
    Connect,
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// The first message and what waits behind it, up to the bounds of a batch.
fn gather(first: Message, requests: &mut mpsc::Receiver<Message>) -> (Vec<Job>, Option<Last>) {
    let mut jobs = Vec::new();
    let mut writes = 0;
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Load(job) => return (jobs, Some(Last::Load(job))),
            Message::Connect => return (jobs, Some(Last::Connect)),
            Message::Close(answer) => return (jobs, Some(Last::Close(answer))),
            Message::Write(job) => {
                writes += job.request.writes.len();
                jobs.push(job);
            }
        }
        let full = jobs.len() >= BATCH_REQUESTS_MAX || writes >= BATCH_WRITES_MAX;
        next = if full { None } else { requests.try_recv().ok() };
    }
    (jobs, None)
}

/// What is committed together.
struct Batch<'a> {
    tools: Tools<'a>,
    systems: &'a mut Systems,
    /// The version of the policies so far.
    policies: u64,
    /// Whether a request so far was about policies, or what they depend on.
    is_of_policies: bool,
    /// The index rows of the requests so far that are not written yet.
    index: IndexWrites,
}

impl Batch<'_> {
    /// Applies one request in a savepoint of its own. An error is one of the whole batch.
    fn one(&mut self, request: Prepared) -> database::Result<Outcome> {
        // INVARIANT: a decision counts only while the policies it was made on are current.
        if request.policy_version.is_some_and(|version| version != self.policies) {
            return Ok(Err(WriteError::StaleDecision));
        }
        let reads_index = request.writes.iter().any(PreparedWrite::reads_index);
        if reads_index {
            // Before the savepoint: these rows stay when the request is rolled back.
            self.write_index()?;
        }
        let session = self.tools.session;
        session.mark("SAVEPOINT request")?;
        let outcome = match request.chore {
            Some(chore) => chore.apply(self.tools),
            None => apply(self.tools, self.systems, request.now, request.writes),
        };
        if outcome.is_err() && reads_index {
            // A system's number that was given within the savepoint is gone with it.
            self.systems.forget();
        }
        match outcome {
            Ok(applied) => {
                if applied.policies_changed {
                    session.mark("UPDATE state SET policy_version = policy_version + 1")?;
                    self.policies += 1;
                }
                session.mark("RELEASE SAVEPOINT request")?;
                self.index.extend(applied.index);
                self.is_of_policies |= applied.is_of_policies;
                Ok(Ok(applied.written))
            }
            // A refusal may come of a search that failed for the same reason.
            Err(_) if session.is_in_conflict() => Err(Failure::Conflict),
            Err(Failed::Refused(refusal)) => {
                roll_back(session)?;
                Ok(Err(refusal))
            }
            // Some errors end the whole transaction.
            Err(Failed::Database(error)) if !session.is_in_transaction() => Err(error),
            Err(Failed::Database(error)) => {
                roll_back(session)?;
                tracing::error!(%error, "a write failed");
                Ok(Err(WriteError::Unavailable(error.to_string())))
            }
        }
    }

    fn write_index(&mut self) -> database::Result<()> {
        let Tools { session, dictionary, .. } = self.tools;
        std::mem::take(&mut self.index).write(session, dictionary, self.systems)
    }
}

fn roll_back(session: &Session<'_>) -> database::Result<()> {
    session.mark("ROLLBACK TO SAVEPOINT request")?;
    session.mark("RELEASE SAVEPOINT request")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use firewarden_access::SystemTask;
    use firewarden_fhir::{Id, IfMatch, ResourceType, Target, Timestamp};

    use super::*;
    use crate::prepare::PreparedChange;
    use crate::sqlite::connection;

    fn request(writes: usize) -> Message {
        let of = ResourceType::parse("Patient").unwrap();
        let write = |_| PreparedWrite {
            target: Target::new(of, Id::parse("a").unwrap()),
            matching: None,
            rows: SystemTask::InitBundle.rows(of),
            change: PreparedChange::Delete(IfMatch::Any),
        };
        let writes = (0..writes).map(write).collect();
        let now = Timestamp::UNIX_EPOCH;
        let request = Prepared { policy_version: None, now, writes, chore: None };
        Message::Write(Job { request, answer: oneshot::channel().0 })
    }

    /// How many of so many requests, of so many writes each, the first batch takes.
    fn first_batch(requests: usize, writes: usize) -> usize {
        let (queue, mut waiting) = mpsc::channel(requests);
        for _ in 1..requests {
            assert!(queue.try_send(request(writes)).is_ok());
        }
        gather(request(writes), &mut waiting).0.len()
    }

    #[test]
    fn a_batch_is_bounded_in_requests_and_in_writes() {
        assert_eq!(first_batch(3, 1), 3);
        assert_eq!(first_batch(BATCH_REQUESTS_MAX + 9, 1), BATCH_REQUESTS_MAX);
        assert_eq!(first_batch(9, BATCH_WRITES_MAX / 2), 2);
        assert_eq!(first_batch(9, BATCH_WRITES_MAX * 2), 1);
    }

    fn thread_on(path: PathBuf) -> WriterThread {
        let mut connection = connection::open_writer(&path).unwrap();
        crate::sqlite::schema::migrate(&mut connection).unwrap();
        let dictionary = Dictionary::register(&Session::Sqlite(&connection)).unwrap();
        WriterThread {
            dictionary: Arc::new(dictionary),
            seal: Arc::new(Seal::new(&[7; 32]).unwrap()),
            writing: Some(Writing::sqlite(connection).unwrap()),
            home: Home::Sqlite { path, lock: None },
            systems: Systems::default(),
            policy_version: Arc::new(AtomicU64::new(0)),
            tells_of: None,
            others: None,
            connected: Arc::new(AtomicBool::new(true)),
        }
    }

    /// What each of so many requests, committed together, is told.
    fn told(thread: &mut WriterThread, requests: usize) -> Vec<String> {
        let message = |_| {
            let Message::Write(mut job) = request(1) else { panic!() };
            let (answer, receiver) = oneshot::channel();
            job.answer = answer;
            (job, receiver)
        };
        let (jobs, receivers): (Vec<_>, Vec<_>) = (0..requests).map(message).unzip();
        thread.batch(jobs);
        let told = |mut receiver: Answer| match receiver.try_recv().unwrap() {
            Ok(_) => "done".to_owned(),
            Err(WriteError::Unknown(_)) => "unknown".to_owned(),
            Err(WriteError::Unavailable(_)) => "unavailable".to_owned(),
            Err(other) => other.to_string(),
        };
        receivers.into_iter().map(told).collect()
    }

    #[test]
    fn after_a_failed_commit_the_fate_of_the_batch_is_unknown_and_the_next_one_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let mut thread = thread_on(folder.path().join("db"));
        assert_eq!(told(&mut thread, 2), ["done", "done"]);
        let Some(Writing::Sqlite(connection, _)) = &mut thread.writing else { panic!() };
        connection.commit_hook(Some(|| true)).unwrap();
        assert_eq!(told(&mut thread, 2), ["unknown", "unknown"]);
        assert_eq!(told(&mut thread, 2), ["done", "done"]);
    }

    #[test]
    fn without_its_file_the_writer_refuses_until_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut thread = thread_on(folder.path().join("db"));
        let nowhere = Home::Sqlite { path: folder.path().join("none/db"), lock: None };
        let home = std::mem::replace(&mut thread.home, nowhere);
        thread.writing = None;
        assert_eq!(told(&mut thread, 1), ["unavailable"]);
        assert!(!thread.connected.load(Ordering::Acquire));
        thread.home = home;
        assert_eq!(told(&mut thread, 1), ["done"]);
        assert!(thread.connected.load(Ordering::Acquire));
    }

    #[test]
    fn a_close_waits_for_what_was_queued_before_it() {
        let (queue, mut waiting) = mpsc::channel(9);
        assert!(queue.try_send(request(1)).is_ok());
        assert!(queue.try_send(Message::Close(oneshot::channel().0)).is_ok());
        assert!(queue.try_send(request(1)).is_ok());
        let (jobs, close) = gather(request(1), &mut waiting);
        assert_eq!((jobs.len(), close.is_some()), (2, true));
    }
}
