//! Values that go into statements, and those that come out of rows.

use std::borrow::Cow;

/// A value for a place in a statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sql<'v> {
    Integer(i64),
    Real(f64),
    Text(Cow<'v, str>),
    Blob(Cow<'v, [u8]>),
}

impl From<i64> for Sql<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u16> for Sql<'_> {
    fn from(number: u16) -> Self {
        Self::Integer(number.into())
    }
}

impl From<f64> for Sql<'_> {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl<'v> From<&'v str> for Sql<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Sql<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'v> From<&'v [u8]> for Sql<'v> {
    fn from(bytes: &'v [u8]) -> Self {
        Self::Blob(Cow::Borrowed(bytes))
    }
}

/// The values of a statement, in the order of its places.
pub(crate) trait Values<'v> {
    type List: AsRef<[Sql<'v>]>;

    fn list(self) -> Self::List;
}

impl<'v> Values<'v> for Vec<Sql<'v>> {
    type List = Self;

    fn list(self) -> Self {
        self
    }
}

impl<'v, V: Into<Sql<'v>>, const N: usize> Values<'v> for [V; N] {
    type List = [Sql<'v>; N];

    fn list(self) -> [Sql<'v>; N] {
        self.map(Into::into)
    }
}

impl Values<'static> for () {
    type List = [Sql<'static>; 0];

    fn list(self) -> [Sql<'static>; 0] {
        []
    }
}

macro_rules! values_of_tuples {
    ($(($($name:ident $index:tt),+ => $count:literal)),+ $(,)?) => {
        $(impl<'v, $($name: Into<Sql<'v>>),+> Values<'v> for ($($name,)+) {
            type List = [Sql<'v>; $count];

            fn list(self) -> [Sql<'v>; $count] {
                [$(self.$index.into()),+]
            }
        })+
    };
}

values_of_tuples!(
    (A 0, B 1 => 2),
    (A 0, B 1, C 2 => 3),
    (A 0, B 1, C 2, D 3 => 4),
    (A 0, B 1, C 2, D 3, E 4 => 5),
    (A 0, B 1, C 2, D 3, E 4, F 5 => 6),
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6 => 7),
);

/// A value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Column<'r> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'r str),
    Blob(&'r [u8]),
}

/// What a value of a row becomes; `None` if it is of another type.
pub(crate) trait FromColumn: Sized {
    fn of(column: Column<'_>) -> Option<Self>;
}

impl FromColumn for i64 {
    fn of(column: Column<'_>) -> Option<Self> {
        match column {
            Column::Integer(number) => Some(number),
            Column::Null | Column::Real(_) | Column::Text(_) | Column::Blob(_) => None,
        }
    }
}

impl FromColumn for u16 {
    fn of(column: Column<'_>) -> Option<Self> {
        i64::of(column).and_then(|number| number.try_into().ok())
    }
}

impl FromColumn for bool {
    fn of(column: Column<'_>) -> Option<Self> {
        i64::of(column).map(|number| number != 0)
    }
}

impl FromColumn for String {
    fn of(column: Column<'_>) -> Option<Self> {
        match column {
            Column::Text(text) => Some(text.to_owned()),
            Column::Null | Column::Integer(_) | Column::Real(_) | Column::Blob(_) => None,
        }
    }
}

impl FromColumn for Vec<u8> {
    fn of(column: Column<'_>) -> Option<Self> {
        match column {
            Column::Blob(blob) => Some(blob.to_vec()),
            Column::Null | Column::Integer(_) | Column::Real(_) | Column::Text(_) => None,
        }
    }
}

impl<T: FromColumn> FromColumn for Option<T> {
    fn of(column: Column<'_>) -> Option<Self> {
        match column {
            Column::Null => Some(None),
            Column::Integer(_) | Column::Real(_) | Column::Text(_) | Column::Blob(_) => {
                T::of(column).map(Some)
            }
        }
    }
}
