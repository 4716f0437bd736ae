//! The store itself: a writer's thread, readers beside it, and what they have in common.

mod allowance;
mod apply;
pub(crate) mod chore;
pub(crate) mod dictionary;
mod dump;
mod history;
mod index_writes;
mod jobs;
mod judge;
pub(crate) mod load;
mod many;
mod point;
mod pool;
mod reindex;
mod remembered;
mod row;
mod search;
pub(crate) mod secrets;
#[cfg(test)]
mod tests;
mod writer;
mod writing;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firewarden_access::{PermittedSearch, PolicyDatabase, Reach, RowFilter};
use firewarden_fhir::{HistoryPage, Resource, ResourceType, Target, Version};
use rusqlite::Connection;
use tokio::runtime::Handle;

use crate::condition::looks_up;
use crate::database::{Reader, Session, unavailable};
use crate::limits::{
    PAGE_BODY_BYTES_MAX, READER_CACHE_KIB, READERS_MAX, REQUEST_TRIES_MAX,
    WRITES_PREPARED_INLINE_MAX,
};
use crate::postgres;
use crate::postgres::connect::{Connector, Purpose};
use crate::postgres::connection::PostgresConnection;
use crate::postgres::lease::Lease;
use crate::postgres::policies::{PostgresPolicies, PostgresReaders, installation};
use crate::prepare::{Content, Prepared, Preparer};
use crate::seal::{Seal, Unsealed};
use crate::sqlite::policies::{PolicyReaders, SqlitePolicies};
use crate::sqlite::{connection, lock, schema};
use crate::{
    Database, HistoryPageRead, HistoryRead, Read, SearchPage, StoreError, StoreSettings, Stored,
    WriteError, WriteRequest, Written,
};
use dictionary::Dictionary;
use point::PointReaders;
use pool::{Pool, Reading};
use writer::Writer;
use writing::{Home, NotCommitted, Writing};

/// An open database.
pub(crate) struct Engine {
    base_url: String,
    seal: Arc<Seal>,
    dictionary: Arc<Dictionary>,
    points: Points,
    pool: Pool,
    policies: Policies,
    writer: Writer,
    policy_version: PolicyVersion,
    page_body_bytes_max: usize,
    /// Where what is put in order is kept for a while.
    folder: PathBuf,
}

/// Who knows the version of the policies.
enum PolicyVersion {
    /// This process alone changes it.
    Own(Arc<AtomicU64>),
    /// Other nodes change it as well.
    Leased(Arc<Lease>),
}

/// What the index must be for a database to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    /// It names everything that is there.
    Whole,
    /// A load may have left it unfinished.
    MayBeUnfinished,
}

/// Where one resource is read.
enum Points {
    /// On the caller's own thread: it takes some microseconds.
    Inline(PointReaders),
    /// Where everything else is.
    Pooled,
}

/// Who answers the rules of `sql` policies.
enum Policies {
    Sqlite(Arc<PolicyReaders>),
    Postgres(Arc<PostgresReaders>),
}

struct Backends {
    points: Points,
    pool: Pool,
    policies: Policies,
    lease: Option<Arc<Lease>>,
    folder: PathBuf,
}

/// What is found in a database when it is opened.
struct Opened {
    seal: Arc<Seal>,
    dictionary: Arc<Dictionary>,
    policy_version: Arc<AtomicU64>,
}

impl Engine {
    /// Opens the database, and creates or migrates it where needed.
    pub(crate) fn open(settings: StoreSettings, index: Index) -> Result<Self, StoreError> {
        let StoreSettings { database, base_url, secrets_key, readers } = settings;
        match database {
            Database::Sqlite { path } => {
                Self::open_sqlite(path, (base_url, index), &secrets_key, readers)
            }
            Database::Postgres { url } => {
                let connector = Connector::new(url)?;
                Self::open_postgres(connector, (base_url, index), &secrets_key, readers)
            }
        }
    }

    fn open_sqlite(
        path: PathBuf,
        (base_url, index): (String, Index),
        secrets_key: &[u8; 32],
        readers: usize,
    ) -> Result<Self, StoreError> {
        let lock = lock::lock(&path)?;
        let mut connection = connection::open_writer(&path).map_err(unavailable)?;
        schema::migrate(&mut connection)?;
        let mut writing = Writing::sqlite(connection).map_err(unavailable)?;
        let opened = opened(&mut writing, secrets_key, index)?;
        let readers = readers.clamp(1, READERS_MAX);
        let open = |_| connection::open_reader(&path, READER_CACHE_KIB);
        let points: Result<Vec<Connection>, _> = (0..readers).map(open).collect();
        let searchers: Result<Vec<_>, _> =
            (0..readers).map(|number| open(number).map(Reader::Sqlite)).collect();
        let policies = PolicyReaders::open(&path, &base_url, &opened.dictionary, readers);
        let backends = Backends {
            points: Points::Inline(PointReaders::new(points.map_err(unavailable)?)),
            pool: Pool::new(searchers.map_err(unavailable)?),
            policies: Policies::Sqlite(Arc::new(policies.map_err(unavailable)?)),
            lease: None,
            folder: load::folder_of(&path),
        };
        let home = Home::Sqlite { path, lock: Some(lock) };
        Self::start((home, writing), backends, base_url, opened)
    }

    /// It waits for answers on a thread of its own, so that a task of a runtime may call it.
    fn open_postgres(
        connector: Connector,
        (base_url, index): (String, Index),
        secrets_key: &[u8; 32],
        readers: usize,
    ) -> Result<Self, StoreError> {
        let runtime = Handle::try_current();
        let runtime = runtime.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let open = || {
            let mut schema = PostgresConnection::open(&connector, Purpose::Schema)?;
            // For as long as this connection lives: of several nodes that start, one prepares.
            postgres::schema::lock(&schema.alone()).map_err(unavailable)?;
            let transaction = schema.begin().map_err(unavailable)?;
            postgres::schema::migrate(&transaction)?;
            transaction.commit().map_err(unavailable)?;
            let home = Home::Postgres(connector.clone());
            let mut writing = home.open().map_err(unavailable)?;
            let opened = opened(&mut writing, secrets_key, index)?;
            schema.alone().run_script(&installation(&opened.dictionary)).map_err(unavailable)?;
            drop(schema);
            let (base, dictionary) = (base_url.clone(), Arc::clone(&opened.dictionary));
            let policies = PostgresReaders::new(connector.clone(), dictionary, base, readers);
            let policies = Arc::new(policies);
            // The first rule need not wait for a connection.
            let opening = Arc::clone(&policies);
            runtime.spawn(async move { opening.check().await });
            let lease = Some(Arc::new(Lease::begin(&runtime, connector.clone())?));
            let reader = |_| Reader::Postgres(connector.clone(), None);
            let backends = Backends {
                points: Points::Pooled,
                pool: Pool::new((0..readers.clamp(1, READERS_MAX)).map(reader).collect()),
                policies: Policies::Postgres(policies),
                lease,
                folder: PathBuf::new(),
            };
            Self::start((home, writing), backends, base_url, opened)
        };
        let ended = || StoreError::Unavailable("the database was not opened".to_owned());
        std::thread::scope(|threads| threads.spawn(open).join().unwrap_or_else(|_| Err(ended())))
    }

    fn start(
        (home, writing): (Home, Writing),
        backends: Backends,
        base_url: String,
        Opened { seal, dictionary, policy_version }: Opened,
    ) -> Result<Self, StoreError> {
        let Backends { points, pool, policies, lease, folder } = backends;
        let writer = Writer::start(writer::Start {
            others: lease.clone(),
            home,
            writing,
            dictionary: dictionary.clone(),
            seal: seal.clone(),
            policy_version: policy_version.clone(),
        })?;
        let policy_version = match lease {
            Some(lease) => PolicyVersion::Leased(lease),
            None => PolicyVersion::Own(policy_version),
        };
        let page_body_bytes_max = PAGE_BODY_BYTES_MAX;
        Ok(Self {
            base_url,
            seal,
            dictionary,
            points,
            pool,
            policies,
            writer,
            policy_version,
            page_body_bytes_max,
            folder,
        })
    }

    pub(crate) async fn policy_version(&self) -> Result<u64, StoreError> {
        match &self.policy_version {
            PolicyVersion::Own(version) => Ok(version.load(Ordering::Acquire)),
            PolicyVersion::Leased(lease) => lease.version().await,
        }
    }

    pub(crate) async fn newest_policy_version(&self) -> Result<u64, StoreError> {
        match &self.policy_version {
            PolicyVersion::Own(version) => Ok(version.load(Ordering::Acquire)),
            PolicyVersion::Leased(lease) => lease.newest().await,
        }
    }

    pub(crate) async fn read(&self, target: &Target, rows: &RowFilter) -> Result<Read, StoreError> {
        if matches!(rows.reach(), Reach::Everything) {
            return match &self.points {
                Points::Inline(points) => {
                    points.look(|reading| point::any(reading, &self.dictionary, target))
                }
                Points::Pooled => {
                    let (dictionary, at) = (self.dictionary.clone(), target.clone());
                    self.pool.look(move |reading| point::any(reading, &dictionary, &at)).await
                }
            };
        }
        let at = target.clone();
        self.single(rows, move |reading, dictionary, rows| {
            point::current(reading, dictionary, &at, rows)
        })
        .await
    }

    pub(crate) async fn vread(
        &self,
        target: &Target,
        version: Version,
        rows: &RowFilter,
    ) -> Result<Read, StoreError> {
        let at = target.clone();
        self.single(rows, move |reading, dictionary, rows| {
            point::exact(reading, dictionary, (&at, version), rows)
        })
        .await
    }

    pub(crate) async fn secrets(
        &self,
        target: &Target,
        rows: &RowFilter,
    ) -> Result<Unsealed, StoreError> {
        let (at, seal) = (target.clone(), self.seal.clone());
        self.single(rows, move |reading, dictionary, rows| {
            point::unsealed(reading, dictionary, (&at, &seal), rows)
        })
        .await
    }

    /// Reads one resource in several looks at the same state. On the caller's thread, unless the
    /// rows look at other resources: how long that takes grows with the data.
    async fn single<T: Send + 'static>(
        &self,
        rows: &RowFilter,
        read: impl FnOnce(&Reading<'_>, &Dictionary, &RowFilter) -> Result<T, StoreError>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        if let Points::Inline(points) = &self.points
            && !looks_up(rows)
        {
            return points.looks(|reading| read(reading, &self.dictionary, rows));
        }
        let (dictionary, rows) = (self.dictionary.clone(), rows.clone());
        self.pool.run(move |reading| read(reading, &dictionary, &rows)).await
    }

    pub(crate) async fn search(&self, search: PermittedSearch) -> Result<SearchPage, StoreError> {
        let (dictionary, bytes_max) = (self.dictionary.clone(), self.page_body_bytes_max);
        let page =
            move |reading: &Reading<'_>| search::search(reading, &dictionary, &search, bytes_max);
        self.pool.run(page).await
    }

    pub(crate) async fn read_many(
        &self,
        targets: Vec<Target>,
        rows: RowFilter,
    ) -> Result<Vec<Stored>, StoreError> {
        let dictionary = self.dictionary.clone();
        self.pool.run(move |reading| many::read(reading, &dictionary, &targets, &rows)).await
    }

    pub(crate) async fn history(
        &self,
        of: HistoryRead,
        page: &HistoryPage,
    ) -> Result<HistoryPageRead, StoreError> {
        let (dictionary, page) = (self.dictionary.clone(), page.clone());
        let bytes_max = self.page_body_bytes_max;
        let read = move |reading: &Reading<'_>| {
            history::history(reading, &dictionary, &of, &page, bytes_max)
        };
        self.pool.run(read).await
    }

    /// Queues the request, and waits for its fate. Once it is queued, nothing takes it back.
    pub(crate) async fn write(
        self: Arc<Self>,
        request: WriteRequest,
    ) -> Result<Vec<Written>, WriteError> {
        let answer = if request.writes.len() <= WRITES_PREPARED_INLINE_MAX {
            self.prepare_and_queue(request)?
        } else {
            // A long request would hold up the others of this runtime thread.
            let engine = Arc::clone(&self);
            tokio::task::spawn_blocking(move || engine.prepare_and_queue(request))
                .await
                .map_err(|_| WriteError::Unavailable("the request was not prepared".to_owned()))??
        };
        let lost = |_| WriteError::Unknown("the writer ended before it answered".to_owned());
        let outcome = answer.await.map_err(lost)?;
        if let (Err(WriteError::StaleDecision), PolicyVersion::Leased(lease)) =
            (&outcome, &self.policy_version)
        {
            // It is decided again, and not on the version that this node went by. Where that fails,
            // the next decision tells.
            drop(lease.newest().await);
        }
        outcome
    }

    fn prepare_and_queue(&self, request: WriteRequest) -> Result<writer::Answer, WriteError> {
        self.writer.queue(self.prepared(request)?)
    }

    fn prepared(&self, request: WriteRequest) -> Result<Prepared, WriteError> {
        self.with_preparer(|preparer| preparer.request(request))
    }

    fn content(&self, target: &Target, resource: &Resource) -> Result<Content, WriteError> {
        self.with_preparer(|preparer| preparer.content(target, resource, Vec::new()))
    }

    fn with_preparer<T>(&self, prepare: impl FnOnce(&Preparer<'_>) -> T) -> T {
        let code = |of: ResourceType, name: &str| self.dictionary.parameter(of, name);
        prepare(&Preparer { base_url: &self.base_url, seal: &self.seal, code: &code })
    }

    /// The database as the policies of one request may ask it.
    pub(crate) fn policies(&self) -> Arc<dyn PolicyDatabase> {
        match &self.policies {
            Policies::Sqlite(readers) => Arc::new(SqlitePolicies::new(readers, &self.dictionary)),
            Policies::Postgres(readers) => Arc::new(PostgresPolicies::new(readers)),
        }
    }

    pub(crate) fn writes_waiting(&self) -> usize {
        self.writer.waiting()
    }

    /// Whether it can be read and the writer lives.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        match &self.points {
            Points::Inline(points) => points.check()?,
            Points::Pooled => {
                let dictionary = self.dictionary.clone();
                let current = move |reading: &Reading<'_>| {
                    dictionary.require_current(reading.session).map_err(unavailable)
                };
                self.pool.look(current).await?;
            }
        }
        if let Policies::Postgres(readers) = &self.policies {
            let unconnected = "the rules of policies have no connection";
            let lost = |_| StoreError::Unavailable(unconnected.to_owned());
            readers.check().await.map_err(lost)?;
        }
        self.writer.check()
    }

    /// Ends the writer after what is queued, and moves the log into the database.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let closed = self.writer.close().await;
        if let PolicyVersion::Leased(lease) = &self.policy_version {
            lease.close().await;
        }
        closed
    }
}

/// Checks the key, and registers the names that this program knows, in one transaction.
fn opened(
    writing: &mut Writing,
    secrets_key: &[u8; 32],
    index: Index,
) -> Result<Opened, StoreError> {
    let seal = Seal::new(secrets_key)
        .map_err(|_| StoreError::Unavailable("the secrets key cannot be used".to_owned()))?;
    let prepare = |session: &Session<'_>| {
        if let Err(refused) = secrets::check_key(session, &seal) {
            return Ok(Err(refused));
        }
        let dictionary = Dictionary::register(session)?;
        if let Session::Sqlite(_) = session {
            // This process alone has the database.
            crate::jobs::table::nobody_runs(session)?;
        }
        let version = writer::policy_version(session)?;
        Ok(Ok((dictionary, version, load::index_unfinished(session)?)))
    };
    let mut tries = REQUEST_TRIES_MAX;
    let found = loop {
        tries -= 1;
        match writing.transaction(|session, _| prepare(session)) {
            Ok(found) => break found,
            // A node at work has written what was read here.
            Err(NotCommitted::Before(failure)) if failure.is_conflict() && tries > 0 => {}
            Err(NotCommitted::Before(failure) | NotCommitted::AtCommit(failure)) => {
                return Err(unavailable(failure));
            }
        }
    };
    let (dictionary, version, is_unfinished) = found?;
    if is_unfinished && index == Index::Whole {
        return Err(StoreError::Unavailable(
            "an import is unfinished: run `firewarden import` again with the same files".to_owned(),
        ));
    }
    Ok(Opened {
        seal: Arc::new(seal),
        dictionary: Arc::new(dictionary),
        policy_version: Arc::new(AtomicU64::new(version)),
    })
}
