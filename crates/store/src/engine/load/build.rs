//! Builds the index of everything that is stored, type by type, out of the packed values.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use firewarden_fhir::ResourceType;

use super::runs::Runs;
use super::{LoadTask, staged_types};
use crate::StoreError;
use crate::database::{damaged, unavailable};
use crate::engine::Engine;
use crate::engine::index_writes::IndexRow;
use crate::engine::pool::Reading;
use crate::index::index_rows;
use crate::limits::{INDEX_ROWS_TOGETHER, INDEX_RUN_BYTES};
use crate::packed::unpack;

/// Resources between two words on how far it is.
const RESOURCES_BETWEEN_WORDS: u64 = 1_000;

impl Engine {
    /// Builds the index of what was stored without. It begins anew: what a build that did not end
    /// has left may be of versions that were replaced since.
    pub(crate) async fn build_index(
        self: Arc<Self>,
        watch: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.indexing(LoadTask::ClearIndex).await?;
        let engine = Arc::clone(&self);
        let runtime = tokio::runtime::Handle::current();
        let build = move |reading: &Reading<'_>| {
            let send = |rows| runtime.block_on(engine.indexing(LoadTask::Index(Arc::new(rows))));
            Build { reading, engine: &engine, watch, send, indexed: 0 }.all()
        };
        self.pool.run_long(build).await?;
        self.indexing(LoadTask::IndexFinished).await
    }

    async fn indexing(&self, task: LoadTask) -> Result<(), StoreError> {
        let done = self.load(task).await;
        done.map(drop).map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

struct Build<'a, W, S> {
    reading: &'a Reading<'a>,
    engine: &'a Engine,
    watch: W,
    send: S,
    indexed: u64,
}

impl<W, S> Build<'_, W, S>
where
    W: FnMut(u64, u64),
    S: FnMut(Vec<IndexRow>) -> Result<(), StoreError>,
{
    fn all(&mut self) -> Result<(), StoreError> {
        let count = "SELECT count(*) FROM resource WHERE deleted = 0";
        let total = self.reading.session.row(count, (), |row| row.get::<i64>(0));
        let total = total.map_err(unavailable)?.unsigned_abs();
        staged_types().try_for_each(|of| self.of_type(of, total))?;
        (self.watch)(self.indexed, total);
        Ok(())
    }

    fn of_type(&mut self, of: ResourceType, total: u64) -> Result<(), StoreError> {
        let type_code = self.engine.dictionary.resource_type(of);
        let mut runs = Runs::new(type_code, INDEX_RUN_BYTES);
        let sql = "SELECT key, packed FROM resource WHERE type = ?1 AND deleted = 0 ORDER BY key";
        let mut statement = self.reading.session.prepare(sql).map_err(unavailable)?;
        let mut found = statement.rows([type_code]).map_err(unavailable)?;
        while let Some(row) = found.next().map_err(unavailable)? {
            let key: i64 = row.get(0).map_err(unavailable)?;
            let packed = row.blob(1).map_err(unavailable)?;
            let values = unpack(packed).ok_or_else(|| unavailable(damaged(1, "packed values")))?;
            for (parameter, index_key) in &index_rows(&values) {
                let added = runs.add(&self.engine.folder, (*parameter, index_key), key);
                added.map_err(|error| disk(&error))?;
            }
            self.indexed += 1;
            if self.indexed.is_multiple_of(RESOURCES_BETWEEN_WORDS) {
                (self.watch)(self.indexed, total);
            }
        }
        drop(found);
        self.write(runs)
    }

    /// Sends the rows on, in order and many at a time.
    fn write(&mut self, runs: Runs) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        let mut failed = None;
        let given = runs.merge(|row| {
            rows.push(row);
            if rows.len() >= INDEX_ROWS_TOGETHER
                && let Err(error) = (self.send)(std::mem::take(&mut rows))
            {
                failed = Some(error);
                return Err(std::io::Error::other("not written"));
            }
            Ok(())
        });
        if let Some(error) = failed {
            return Err(error);
        }
        given.map_err(|error| disk(&error))?;
        if rows.is_empty() { Ok(()) } else { (self.send)(rows) }
    }
}

fn disk(error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("the rows of the index cannot be put in order: {error}"))
}

/// The folder where runs are kept for a while: the database's own, where there is room for it.
pub(crate) fn folder_of(database: &Path) -> PathBuf {
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}
