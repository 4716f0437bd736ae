//! The store itself: a writer's thread, readers beside it, and what they have in common.

mod allowance;
mod apply;
pub(crate) mod dictionary;
mod dump;
mod history;
mod index_writes;
mod judge;
pub(crate) mod load;
mod many;
mod point;
mod pool;
mod remembered;
mod row;
mod search;
mod secrets;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use firewarden_access::{PermittedSearch, Reach, RowFilter};
use firewarden_fhir::{HistoryPage, Resource, Target, Version};
use rusqlite::{Connection, TransactionBehavior};

use crate::condition::looks_up;
use crate::database::{Reader, Session, unavailable};
use crate::limits::{
    PAGE_BODY_BYTES_MAX, READER_CACHE_KIB, READERS_MAX, WRITES_PREPARED_INLINE_MAX,
};
use crate::prepare::{Content, Prepared, Preparer};
use crate::seal::{Seal, Unsealed};
use crate::sqlite::policies::{PolicyReaders, SqlitePolicies};
use crate::sqlite::{connection, lock, schema};
use crate::{
    HistoryPageRead, HistoryRead, Read, SearchPage, StoreError, StoreSettings, Stored, WriteError,
    WriteRequest, Written,
};
use dictionary::Dictionary;
use point::PointReaders;
use pool::{Pool, Reading};
use writer::Writer;

/// An open database.
pub(crate) struct Engine {
    base_url: String,
    seal: Arc<Seal>,
    dictionary: Arc<Dictionary>,
    points: PointReaders,
    pool: Pool,
    policy_readers: Arc<PolicyReaders>,
    writer: Writer,
    policy_version: Arc<AtomicU64>,
    page_body_bytes_max: usize,
    /// Whether a load into it had not ended when it was opened.
    index_unfinished: bool,
    /// Where what is put in order is kept for a while.
    folder: PathBuf,
}

impl Engine {
    /// Opens the database, and creates or migrates it where needed.
    pub(crate) fn open(settings: StoreSettings) -> Result<Self, StoreError> {
        let lock = lock::lock(&settings.path)?;
        let mut connection = connection::open_writer(&settings.path).map_err(unavailable)?;
        schema::migrate(&mut connection)?;
        let seal = Seal::new(&settings.secrets_key)
            .map_err(|_| StoreError::Unavailable("the secrets key cannot be used".to_owned()))?;
        let seal = Arc::new(seal);
        secrets::check_key(&Session::Sqlite(&connection), &seal)?;
        let dictionary = Arc::new(registered(&mut connection).map_err(unavailable)?);
        let session = Session::Sqlite(&connection);
        let version = writer::policy_version(&session).map_err(unavailable)?;
        let index_unfinished = load::index_unfinished(&session).map_err(unavailable)?;
        let policy_version = Arc::new(AtomicU64::new(version));
        let readers = settings.readers.clamp(1, READERS_MAX);
        let open = |_| connection::open_reader(&settings.path, READER_CACHE_KIB);
        let points: Result<Vec<Connection>, _> = (0..readers).map(open).collect();
        let searchers: Result<Vec<_>, _> =
            (0..readers).map(|number| open(number).map(Reader::Sqlite)).collect();
        let policy_readers =
            PolicyReaders::open(&settings.path, &settings.base_url, &dictionary, readers)
                .map_err(unavailable)?;
        let writer = Writer::start(writer::Start {
            connection,
            path: settings.path.clone(),
            lock,
            dictionary: dictionary.clone(),
            seal: seal.clone(),
            policy_version: policy_version.clone(),
        })?;
        Ok(Self {
            base_url: settings.base_url,
            seal,
            dictionary,
            points: PointReaders::new(points.map_err(unavailable)?),
            pool: Pool::new(searchers.map_err(unavailable)?),
            policy_readers: Arc::new(policy_readers),
            writer,
            policy_version,
            page_body_bytes_max: PAGE_BODY_BYTES_MAX,
            index_unfinished,
            folder: load::folder_of(&settings.path),
        })
    }

    pub(crate) fn policy_version(&self) -> u64 {
        self.policy_version.load(Ordering::Acquire)
    }

    pub(crate) async fn read(&self, target: &Target, rows: &RowFilter) -> Result<Read, StoreError> {
        if matches!(rows.reach(), Reach::Everything) {
            let read = |reading: &Reading<'_>| point::any(reading, &self.dictionary, target);
            return self.points.look(read);
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
        if !looks_up(rows) {
            return self.points.looks(|reading| read(reading, &self.dictionary, rows));
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
            tokio::task::spawn_blocking(move || self.prepare_and_queue(request))
                .await
                .map_err(|_| WriteError::Unavailable("the request was not prepared".to_owned()))??
        };
        let lost = |_| WriteError::Unknown("the writer ended before it answered".to_owned());
        answer.await.map_err(lost)?
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
        let code = |e: &firewarden_fhir::extract::Extracted| {
            self.dictionary.parameter(e.parameter.resource_type, &e.parameter.code)
        };
        prepare(&Preparer { base_url: &self.base_url, seal: &self.seal, code: &code })
    }

    /// The database as the policies of one request may ask it.
    pub(crate) fn policies(&self) -> SqlitePolicies {
        SqlitePolicies::new(&self.policy_readers, &self.dictionary)
    }

    pub(crate) fn writes_waiting(&self) -> usize {
        self.writer.waiting()
    }

    /// Whether it can be read and the writer lives.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.points.check()?;
        self.writer.check()
    }

    /// Ends the writer after what is queued, and moves the log into the database.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        self.writer.close().await
    }
}

/// The numbers of names, new ones in a transaction of their own.
fn registered(connection: &mut Connection) -> crate::database::Result<Dictionary> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let dictionary = Dictionary::register(&Session::Sqlite(&transaction))?;
    transaction.commit()?;
    Ok(dictionary)
}
