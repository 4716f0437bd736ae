//! How values stand in PostgreSQL's binary format.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::database::{Column, Sql};

type Outcome<T> = Result<T, Box<dyn Error + Sync + Send>>;

impl ToSql for Sql<'_> {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Outcome<IsNull> {
        match self {
            Self::Integer(number) if *of == Type::INT4 => i32::try_from(*number)?.to_sql(of, out),
            Self::Integer(number) if *of == Type::INT8 => number.to_sql(of, out),
            Self::Real(number) if *of == Type::FLOAT8 => number.to_sql(of, out),
            // No text has the character 0 there, and what is looked for with it is not found.
            Self::Text(text) if *of == Type::TEXT => match text.contains('\0') {
                true => text.replace('\0', "\u{fffd}").to_sql(of, out),
                false => text.as_ref().to_sql(of, out),
            },
            Self::Blob(bytes) if *of == Type::BYTEA => bytes.as_ref().to_sql(of, out),
            Self::Integer(_) | Self::Real(_) | Self::Text(_) | Self::Blob(_) => {
                Err(format!("a place for {of} has a value of another type").into())
            }
        }
    }

    fn accepts(of: &Type) -> bool {
        [Type::INT4, Type::INT8, Type::FLOAT8, Type::TEXT, Type::BYTEA].contains(of)
    }

    to_sql_checked!();
}

impl<'r> FromSql<'r> for Column<'r> {
    fn from_sql(of: &Type, raw: &'r [u8]) -> Outcome<Self> {
        Ok(match *of {
            Type::INT4 => Self::Integer(i32::from_sql(of, raw)?.into()),
            Type::INT8 => Self::Integer(i64::from_sql(of, raw)?),
            Type::FLOAT8 => Self::Real(f64::from_sql(of, raw)?),
            Type::BYTEA => Self::Blob(raw),
            _ => Self::Text(str::from_utf8(raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Outcome<Self> {
        Ok(Self::Null)
    }

    fn accepts(of: &Type) -> bool {
        <Sql<'_> as ToSql>::accepts(of)
    }
}
