//! The database's numbers for types and parameters, and for the systems of codes.

use std::collections::HashMap;

use crate::database::{OptionalRow, Result as Found, Session};
use crate::limits::SYSTEMS_REMEMBERED_MAX;
use crate::packed::ParameterCode;
use firewarden_fhir::{Definitions, ResourceType};

/// The number of a type in this database.
pub(crate) type TypeCode = i64;

/// The number that stands for the absence of a system.
pub(crate) const NO_SYSTEM: i64 = 0;

/// The numbers of all types and parameters of this program. As many as the definitions, and the
/// same while the database is open.
pub(crate) struct Dictionary {
    types: HashMap<ResourceType, TypeCode>,
    parameters: HashMap<ResourceType, HashMap<Box<str>, ParameterCode>>,
}

impl Dictionary {
    /// Reads the numbers, and gives new ones to what has none: in a transaction that nobody else
    /// does it in.
    pub(crate) fn register(session: &Session<'_>) -> Found<Self> {
        let mut dictionary = Self { types: HashMap::new(), parameters: HashMap::new() };
        for resource_type in ResourceType::all() {
            let code = type_code(session, resource_type)?;
            let parameters = parameter_codes(session, resource_type, code)?;
            dictionary.types.insert(resource_type, code);
            dictionary.parameters.insert(resource_type, parameters);
        }
        Ok(dictionary)
    }

    /// The number of a type. Every type has one; 0 is no type's.
    pub(crate) fn resource_type(&self, resource_type: ResourceType) -> TypeCode {
        self.types.get(&resource_type).copied().unwrap_or_default()
    }

    /// The number of a type's parameter.
    pub(crate) fn parameter(&self, of: ResourceType, name: &str) -> Option<ParameterCode> {
        self.parameters.get(&of)?.get(name).copied()
    }
}

fn type_code(session: &Session<'_>, of: ResourceType) -> Found<TypeCode> {
    let known = "SELECT code FROM resource_type WHERE name = ?1";
    let new = "INSERT INTO resource_type (name) VALUES (?1) RETURNING code";
    match session.row(known, [of.name()], |row| row.get(0)).optional()? {
        Some(code) => Ok(code),
        None => session.row(new, [of.name()], |row| row.get(0)),
    }
}

fn parameter_codes(
    session: &Session<'_>,
    of: ResourceType,
    type_code: TypeCode,
) -> Found<HashMap<Box<str>, ParameterCode>> {
    let known =
        session.every("SELECT name, code FROM parameter WHERE type = ?1", [type_code], |row| {
            Ok((Box::from(row.text(0)?), row.get(1)?))
        })?;
    let mut codes: HashMap<Box<str>, ParameterCode> = known.into_iter().collect();
    let mut last: ParameterCode = codes.values().copied().max().unwrap_or(0);
    for parameter in Definitions::get().search_parameters(of) {
        if !codes.contains_key(&parameter.code) {
            last = last.saturating_add(1);
            session.run(
                "INSERT INTO parameter (type, code, name) VALUES (?1, ?2, ?3)",
                (type_code, last, &*parameter.code),
            )?;
            codes.insert(parameter.code.clone(), last);
        }
    }
    Ok(codes)
}

/// The number of a system that some code was written with.
pub(crate) fn find_system(session: &Session<'_>, uri: &str) -> Found<Option<i64>> {
    let known = match session {
        Session::Sqlite(_) => "SELECT code FROM system WHERE uri = ?1",
        Session::Postgres(_) => "SELECT code FROM system WHERE digest = digest_of(?1)",
    };
    session.row(known, [uri], |row| row.get(0)).optional()
}

/// The systems the writer has met. Emptied when a transaction is rolled back: a number that was
/// given in it is not in the database.
#[derive(Default)]
pub(crate) struct Systems {
    remembered: HashMap<Box<str>, i64>,
}

impl Systems {
    /// The number of a system, a new one where it has none.
    pub(crate) fn code(&mut self, session: &Session<'_>, uri: &str) -> Found<i64> {
        if let Some(code) = self.remembered.get(uri) {
            return Ok(*code);
        }
        let new = "INSERT INTO system (uri) VALUES (?1) RETURNING code";
        let code = match find_system(session, uri)? {
            Some(code) => code,
            None => session.row(new, [uri], |row| row.get(0))?,
        };
        if self.remembered.len() >= SYSTEMS_REMEMBERED_MAX {
            self.forget();
        }
        self.remembered.insert(uri.into(), code);
        Ok(code)
    }

    pub(crate) fn forget(&mut self) {
        self.remembered.clear();
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn migrated() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::sqlite::schema::migrate(&mut connection).unwrap();
        connection
    }

    #[test]
    fn a_number_stays_with_its_name() {
        let connection = migrated();
        let first = Dictionary::register(&Session::Sqlite(&connection)).unwrap();
        // As if the program had known fewer names.
        connection.execute("DELETE FROM parameter WHERE code = 2", []).unwrap();
        let again = Dictionary::register(&Session::Sqlite(&connection)).unwrap();
        for of in ResourceType::all() {
            assert!(first.resource_type(of) > 0);
            assert_eq!(first.resource_type(of), again.resource_type(of));
            for parameter in Definitions::get().search_parameters(of) {
                let (old, new) =
                    [&first, &again].map(|d| d.parameter(of, &parameter.code).unwrap()).into();
                assert!(old == new || (old == 2 && new > 2), "{parameter:?}");
            }
        }
    }

    #[test]
    fn only_so_many_systems_are_remembered_and_none_changes_its_number() {
        let connection = migrated();
        let mut systems = Systems::default();
        let uri = |number: usize| format!("urn:{number}");
        let mut number = |n| systems.code(&Session::Sqlite(&connection), &uri(n)).unwrap();
        let first: Vec<_> = (0..SYSTEMS_REMEMBERED_MAX + 5).map(&mut number).collect();
        let again: Vec<_> = (0..SYSTEMS_REMEMBERED_MAX + 5).map(&mut number).collect();
        assert_eq!(first, again);
        assert!(systems.remembered.len() <= SYSTEMS_REMEMBERED_MAX);
        assert!(!first.contains(&NO_SYSTEM));
    }
}
