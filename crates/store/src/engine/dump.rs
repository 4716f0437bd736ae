//! Reads everything at one moment, version by version, with little in memory at a time.

use std::io;

use firewarden_fhir::{Id, ResourceType, Target, Timestamp, Version};

use super::dictionary::TypeCode;
use super::pool::Reading;
use super::{Engine, row, secrets};
use crate::database::{Column, Result as Found, Row, damaged, unavailable};
use crate::{Dump, DumpError, Dumped, HistoryMethod, StoreError};

impl Engine {
    pub(crate) async fn dump(
        &self,
        types: Vec<ResourceType>,
        what: Dump,
        take: impl FnMut(&Dumped<'_>) -> io::Result<()> + Send + 'static,
    ) -> Result<(), DumpError> {
        let dictionary = self.dictionary.clone();
        let dump = move |reading: &Reading<'_>| {
            reading.session.wait_for_the_reader().map_err(unavailable)?;
            let mut dumping = Dumping { reading, what, take };
            for of in types {
                let type_code = dictionary.resource_type(of);
                if let Err(error) = dumping.of_type(of, type_code) {
                    return Ok(Err(error));
                }
            }
            Ok(Ok(()))
        };
        self.pool.run_long(dump).await?
    }
}

struct Dumping<'a, T> {
    reading: &'a Reading<'a>,
    what: Dump,
    take: T,
}

/// The current version of a resource.
struct Current<'r> {
    key: i64,
    head: Head,
    body: Option<&'r str>,
}

/// A version but for its content.
#[derive(Clone, Copy)]
struct Head {
    version: Version,
    updated: Timestamp,
    method: HistoryMethod,
}

impl<T: FnMut(&Dumped<'_>) -> io::Result<()>> Dumping<'_, T> {
    fn of_type(&mut self, of: ResourceType, type_code: TypeCode) -> Result<(), DumpError> {
        // Two statements: each goes along an index, and none has to put bodies in order.
        let live = "SELECT key, id, version, updated, method, body FROM resource
                    WHERE type = ?1 AND deleted = 0 ORDER BY key";
        self.each(live, of, type_code)?;
        match self.what {
            Dump::Current => Ok(()),
            Dump::History => {
                let deleted = "SELECT key, id, version, updated, method, body FROM resource
                               WHERE type = ?1 AND deleted = 1";
                self.each(deleted, of, type_code)
            }
        }
    }

    fn each(&mut self, sql: &str, of: ResourceType, type_code: TypeCode) -> Result<(), DumpError> {
        let mut statement = self.reading.session.prepare(sql).map_err(unavailable)?;
        let mut found = statement.rows_with_bodies([type_code]).map_err(unavailable)?;
        while let Some(row) = found.next().map_err(unavailable)? {
            let id = Id::parse(row.text(1).map_err(unavailable)?);
            let id = id.ok_or_else(|| unavailable(damaged(1, "not an id")))?;
            let current = Current {
                key: row.get(0).map_err(unavailable)?,
                head: head(row, 2)?,
                body: body(row, 5)?,
            };
            self.resource(&Target::new(of, id), type_code, &current)?;
        }
        Ok(())
    }

    fn resource(
        &mut self,
        target: &Target,
        type_code: TypeCode,
        current: &Current<'_>,
    ) -> Result<(), DumpError> {
        let previous = match self.what {
            Dump::Current => None,
            Dump::History => self.superseded(target, current)?,
        };
        let sealed = if target.resource_type.is_own() {
            secrets::sealed(self.reading.session, type_code, target).map_err(unavailable)?
        } else {
            Vec::new()
        };
        let Head { version, updated, method } = current.head;
        let dumped = Dumped {
            target,
            version,
            previous,
            updated,
            method,
            body: current.body,
            is_current: true,
            sealed: &sealed,
        };
        Ok((self.take)(&dumped)?)
    }

    /// Gives the versions before the current one; the time of the last of them.
    fn superseded(
        &mut self,
        target: &Target,
        current: &Current<'_>,
    ) -> Result<Option<Timestamp>, DumpError> {
        if current.head.version == Version(1) {
            return Ok(None);
        }
        let sql = "SELECT version, updated, method, body FROM history WHERE key = ?1
                   ORDER BY version";
        let mut statement = self.reading.session.prepare(sql).map_err(unavailable)?;
        let mut found = statement.rows_with_bodies([current.key]).map_err(unavailable)?;
        let mut previous = None;
        while let Some(row) = found.next().map_err(unavailable)? {
            let Head { version, updated, method } = head(row, 0)?;
            let body = body(row, 3)?;
            let (is_current, sealed) = (false, &[][..]);
            let dumped =
                Dumped { target, version, previous, updated, method, body, is_current, sealed };
            (self.take)(&dumped)?;
            previous = Some(updated);
        }
        Ok(previous)
    }
}

/// Version, time and method, from that column on.
fn head(row: Row<'_>, column: usize) -> Result<Head, StoreError> {
    let read = || -> Found<Head> {
        Ok(Head {
            version: row::version(row, column)?,
            updated: row::updated(row, column + 1)?,
            method: row::method(row, column + 2)?,
        })
    };
    read().map_err(unavailable)
}

fn body<'r>(row: Row<'r>, column: usize) -> Result<Option<&'r str>, StoreError> {
    match row.column(column).map_err(unavailable)? {
        Column::Null => Ok(None),
        Column::Text(text) => Ok(Some(text)),
        Column::Integer(_) | Column::Real(_) | Column::Blob(_) => {
            Err(unavailable(damaged(column, "no text")))
        }
    }
}
