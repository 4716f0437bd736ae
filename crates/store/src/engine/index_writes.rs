//! The changes of index rows that a batch of requests makes, written together in key order.

use std::collections::BTreeMap;

use super::dictionary::{Dictionary, NO_SYSTEM, Systems, TypeCode};
use crate::database::{Result as Done, Session, Sql};
use crate::index::IndexKey;
use crate::limits::INDEX_ROWS_RUN_TOGETHER;
use crate::packed::ParameterCode;

/// One index row. In the order of tables, then of their keys: neighbours share a page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IndexRow {
    table: Table,
    type_code: TypeCode,
    pub(crate) parameter: ParameterCode,
    pub(crate) key: IndexKey,
    resource: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    String,
    Token,
    Reference,
    Date,
    Number,
    Quantity,
    Uri,
}

impl IndexRow {
    pub(crate) fn new(
        type_code: TypeCode,
        (parameter, key): (ParameterCode, IndexKey),
        resource: i64,
    ) -> Self {
        let table = match &key {
            IndexKey::String(_) => Table::String,
            IndexKey::Token { .. } => Table::Token,
            IndexKey::Reference { .. } => Table::Reference,
            IndexKey::Date { .. } => Table::Date,
            IndexKey::Number { .. } => Table::Number,
            IndexKey::Quantity { .. } => Table::Quantity,
            IndexKey::Uri(_) => Table::Uri,
        };
        Self { table, type_code, parameter, key, resource }
    }
}

/// Whether a row comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Move {
    Go,
    Come,
}

/// The changes of a batch. The last change of a row wins.
#[derive(Default)]
pub(crate) struct IndexWrites {
    rows: BTreeMap<IndexRow, Move>,
}

impl IndexWrites {
    pub(crate) fn of(changes: Vec<(IndexRow, Move)>) -> Self {
        Self { rows: changes.into_iter().collect() }
    }

    pub(crate) fn extend(&mut self, changes: Vec<(IndexRow, Move)>) {
        self.rows.extend(changes);
    }

    /// Adds rows, in the order they come in.
    pub(crate) fn insert(
        rows: &[IndexRow],
        session: &Session<'_>,
        dictionary: &Dictionary,
        systems: &mut Systems,
    ) -> Done<()> {
        let mut number = |of: NumberOf<'_>| match of {
            NumberOf::System(uri) => systems.code(session, uri),
            NumberOf::Type(resource_type) => Ok(dictionary.resource_type(resource_type)),
        };
        for of_table in rows.chunk_by(|one, next| one.table == next.table) {
            for some in of_table.chunks(INDEX_ROWS_RUN_TOGETHER) {
                let Some(first) = some.first() else { continue };
                let lists: Done<Vec<_>> = some.iter().map(|row| values(row, &mut number)).collect();
                session.run_each(&sql(first.table, Move::Come), &lists?)?;
            }
        }
        Ok(())
    }

    /// Removes every row of a type.
    pub(crate) fn clear(session: &Session<'_>, type_code: TypeCode) -> Done<()> {
        for table in [
            "DELETE FROM string_index WHERE type = ?1",
            "DELETE FROM token_index WHERE type = ?1",
            "DELETE FROM reference_index WHERE type = ?1",
            "DELETE FROM date_index WHERE type = ?1",
            "DELETE FROM number_index WHERE type = ?1",
            "DELETE FROM quantity_index WHERE type = ?1",
            "DELETE FROM uri_index WHERE type = ?1",
        ] {
            session.run(table, [type_code])?;
        }
        Ok(())
    }

    /// Writes them.
    pub(crate) fn write(
        self,
        session: &Session<'_>,
        dictionary: &Dictionary,
        systems: &mut Systems,
    ) -> Done<()> {
        let mut number = |of: NumberOf<'_>| match of {
            NumberOf::System(uri) => systems.code(session, uri),
            NumberOf::Type(resource_type) => Ok(dictionary.resource_type(resource_type)),
        };
        // In the order of tables, and of keys within each.
        let mut lists: BTreeMap<(Table, Move), Vec<Vec<Sql<'_>>>> = BTreeMap::new();
        for (row, change) in &self.rows {
            lists.entry((row.table, *change)).or_default().push(values(row, &mut number)?);
        }
        for ((table, change), lists) in lists {
            let sql = sql(table, change);
            for some in lists.chunks(INDEX_ROWS_RUN_TOGETHER) {
                session.run_each(&sql, some)?;
            }
        }
        Ok(())
    }
}

/// A name whose number is needed.
enum NumberOf<'a> {
    System(&'a str),
    Type(firewarden_fhir::ResourceType),
}

/// The columns of a row.
fn values<'r>(
    row: &'r IndexRow,
    number: &mut impl FnMut(NumberOf<'_>) -> Done<i64>,
) -> Done<Vec<Sql<'r>>> {
    let IndexRow { type_code, parameter, key, resource, .. } = row;
    let resource = Sql::from(*resource);
    let mut list = Vec::with_capacity(COLUMNS_MAX);
    list.extend([Sql::from(*type_code), Sql::from(*parameter)]);
    match key {
        IndexKey::String(value) | IndexKey::Uri(value) => {
            list.extend([Sql::from(&**value), resource]);
        }
        IndexKey::Token { code, system } => {
            let system = match system {
                Some(uri) => number(NumberOf::System(uri))?,
                None => NO_SYSTEM,
            };
            list.extend([Sql::from(&**code), resource, Sql::from(system)]);
        }
        IndexKey::Reference { target, target_type } => {
            let target_type = match target_type {
                Some(resource_type) => number(NumberOf::Type(*resource_type))?,
                None => 0,
            };
            list.extend([Sql::from(&**target), resource, Sql::from(target_type)]);
        }
        IndexKey::Date { span, low_us, high_us } => {
            list.extend([
                Sql::from(span.code()),
                Sql::from(*low_us),
                Sql::from(*high_us),
                resource,
            ]);
        }
        IndexKey::Number { span, low, high } | IndexKey::Quantity { span, low, high } => {
            list.extend([Sql::from(span.code()), Sql::from(low.0), Sql::from(high.0), resource]);
        }
    }
    Ok(list)
}

/// The most columns that a table has.
const COLUMNS_MAX: usize = 6;

/// A table, and the columns of its rows, in the order of [`values`]. All of them are its key.
fn columns(table: Table) -> (&'static str, &'static [&'static str]) {
    const SPAN: [&str; COLUMNS_MAX] = ["type", "parameter", "span", "low", "high", "resource"];
    match table {
        Table::String => ("string_index", &["type", "parameter", "value", "resource"]),
        Table::Token => ("token_index", &["type", "parameter", "code", "resource", "system"]),
        Table::Reference => {
            ("reference_index", &["type", "parameter", "target", "resource", "target_type"])
        }
        Table::Date => ("date_index", &SPAN),
        Table::Number => ("number_index", &SPAN),
        Table::Quantity => ("quantity_index", &SPAN),
        Table::Uri => ("uri_index", &["type", "parameter", "value", "resource"]),
    }
}

/// The statement that writes or removes a row of a table. A row that is there already, or gone
/// already, is as it should be.
fn sql(table: Table, change: Move) -> String {
    let (name, columns) = columns(table);
    match change {
        Move::Come => {
            let places = vec!["?"; columns.len()].join(", ");
            let columns = columns.join(", ");
            format!("INSERT INTO {name} ({columns}) VALUES ({places}) ON CONFLICT DO NOTHING")
        }
        Move::Go => {
            let conditions: Vec<_> = columns.iter().map(|column| format!("{column} = ?")).collect();
            format!("DELETE FROM {name} WHERE {}", conditions.join(" AND "))
        }
    }
}
