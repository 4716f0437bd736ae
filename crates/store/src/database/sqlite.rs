//! Statements on SQLite.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Statement, ToSql, params_from_iter};

use super::{Column, Failure, Result, Row, Sql, Values, damaged};

impl ToSql for Sql<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Integer(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Real(number) => ToSqlOutput::Owned(Value::Real(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

pub(super) fn run<'v>(statement: &mut Statement<'_>, values: impl Values<'v>) -> Result<usize> {
    Ok(statement.execute(params_from_iter(values.list().as_ref()))?)
}

pub(super) fn run_list(statement: &mut Statement<'_>, list: &[Sql<'_>]) -> Result<()> {
    Ok(statement.execute(params_from_iter(list)).map(drop)?)
}

pub(super) fn rows<'s, 'v>(
    statement: &'s mut Statement<'_>,
    values: impl Values<'v>,
) -> Result<rusqlite::Rows<'s>> {
    Ok(statement.query(params_from_iter(values.list().as_ref()))?)
}

pub(super) fn row<'v, T>(
    statement: &mut Statement<'_>,
    values: impl Values<'v>,
    read: impl FnOnce(Row<'_>) -> Result<T>,
) -> Result<T> {
    let mut rows = rows(statement, values)?;
    let row = rows.next()?.ok_or(Failure::NoRow)?;
    read(Row::Sqlite(row))
}

pub(super) fn column<'r>(row: &'r rusqlite::Row<'_>, index: usize) -> Result<Column<'r>> {
    Ok(match row.get_ref(index)? {
        ValueRef::Null => Column::Null,
        ValueRef::Integer(number) => Column::Integer(number),
        ValueRef::Real(number) => Column::Real(number),
        ValueRef::Text(text) => {
            Column::Text(str::from_utf8(text).map_err(|error| damaged(index, error))?)
        }
        ValueRef::Blob(blob) => Column::Blob(blob),
    })
}
