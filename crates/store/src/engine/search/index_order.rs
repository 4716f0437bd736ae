//! Sorts by a date, a number or a quantity when nothing is selective: the index is walked in that
//! order, and left when the page is full.

use std::collections::HashSet;

use firewarden_fhir::definitions::ParameterType;

use super::Search;
use super::candidates::Statement;
use super::walk::{Looks, Match, Wanted};
use crate::StoreError;
use crate::cursor::Part;
use crate::database::{Column, Result as Found, Row, Sql, unavailable};
use crate::engine::dictionary::TypeCode;
use crate::index::{DateSpan, NumberSpan};
use crate::packed::ParameterCode;
use crate::sort::Place;

impl Search<'_> {
    /// The first places after one; `None` if the order is another, or reaches the resources
    /// without a value, which no index has.
    pub(super) fn places_by_index(
        &self,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Vec<Place>>, StoreError> {
        let Some((kind, parameter, descending)) = self.order.by_beginning() else {
            return Ok(None);
        };
        let start = match wanted.after.and_then(|place| place.values.first()) {
            Some(Part::Missing | Part::Text(_)) => return Ok(None),
            Some(Part::Integer(number)) => Some(Sql::from(*number)),
            Some(Part::Real(number)) => Some(Sql::from(*number)),
            None => None,
        };
        let Some(statement) = walk(self.type_code, (kind, parameter), descending, start) else {
            return Ok(None);
        };
        self.first_places(statement, wanted)
    }

    fn first_places(
        &self,
        Statement { sql, values }: Statement,
        &Wanted { after, count, .. }: &Wanted<'_>,
    ) -> Result<Option<Vec<Place>>, StoreError> {
        let mut look = self.look(Looks::Values)?;
        let mut statement = self.judge.reading.session.prepare(&sql).map_err(unavailable)?;
        let mut rows = statement.rows(values).map_err(unavailable)?;
        let mut places: Vec<Place> = Vec::new();
        let mut seen = HashSet::new();
        while let Some(row) = rows.next().map_err(unavailable)? {
            let (key, beginning) = beginning(row).map_err(unavailable)?;
            // The places come in the order of their values; equal ones are put in order below.
            let last = count.checked_sub(1).and_then(|last| places.get(last));
            if last.is_some_and(|last| last.values.first() != Some(&beginning)) {
                places.sort_by(|a, b| self.order.compare(a, b));
                places.truncate(count);
                return Ok(Some(places));
            }
            // A resource with several values stands where the first of them does.
            let first_seen = seen.insert(key);
            if first_seen
                && let Some(Match { place, .. }) = self.matching(&mut look, Looks::Values, key)?
            {
                let is_after = |after: &Place| self.order.compare(&place, after).is_gt();
                if after.is_none_or(is_after) {
                    places.push(place);
                }
            }
        }
        Ok(None)
    }
}

/// The key of a resource, and where one of its values begins.
fn beginning(row: Row<'_>) -> Found<(i64, Part)> {
    let beginning = match row.column(1)? {
        Column::Integer(number) => Part::Integer(number),
        Column::Real(number) => Part::Real(number),
        Column::Null | Column::Text(_) | Column::Blob(_) => Part::Missing,
    };
    Ok((row.get(0)?, beginning))
}

/// The rows of a parameter in the order of where they begin, from a beginning on.
fn walk(
    type_code: TypeCode,
    (kind, parameter): (ParameterType, ParameterCode),
    descending: bool,
    start: Option<Sql<'static>>,
) -> Option<Statement> {
    let (table, spans): (&str, Vec<i64>) = match kind {
        ParameterType::Date => ("date_index", DateSpan::ALL.map(DateSpan::code).to_vec()),
        ParameterType::Number => ("number_index", NumberSpan::ALL.map(NumberSpan::code).to_vec()),
        ParameterType::Quantity => {
            ("quantity_index", NumberSpan::ALL.map(NumberSpan::code).to_vec())
        }
        ParameterType::String
        | ParameterType::Token
        | ParameterType::Reference
        | ParameterType::Composite
        | ParameterType::Uri
        | ParameterType::Special => return None,
    };
    let bound = match (&start, descending) {
        (None, _) => "",
        (Some(_), false) => " AND low >= ?",
        (Some(_), true) => " AND low <= ?",
    };
    let mut values = Vec::new();
    let direction = if descending { "DESC" } else { "ASC" };
    let legs = spans.into_iter().map(|span| {
        values.extend([Sql::from(type_code), Sql::from(parameter), Sql::from(span)]);
        values.extend(start.clone());
        // PostgreSQL merges legs that are in order by themselves; else it reads all to sort them.
        format!(
            "SELECT * FROM (SELECT resource, low FROM {table}
               WHERE type = ? AND parameter = ? AND span = ?{bound} ORDER BY 2 {direction}) AS leg"
        )
    });
    let legs = legs.collect::<Vec<_>>().join(" UNION ALL ");
    Some(Statement { sql: format!("{legs} ORDER BY 2 {direction}"), values })
}
