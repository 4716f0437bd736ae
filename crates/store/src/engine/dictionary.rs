//! The database's numbers for types and parameters, and for the systems of codes.

use std::collections::HashMap;

use crate::StoreError;
use crate::database::{Failure, OptionalRow, Result as Found, Session, damaged, unavailable};
use crate::limits::SYSTEMS_REMEMBERED_MAX;
use crate::packed::{EXTRACTOR_VERSION, ParameterCode};
use firewarden_fhir::definitions::SearchParameter;
use firewarden_fhir::{Definitions, ResourceType};

/// The number of a type in this database.
pub(crate) type TypeCode = i64;

/// The number that stands for the absence of a system.
pub(crate) const NO_SYSTEM: i64 = 0;

/// The numbers of all types and parameters of this program. As many as the definitions, and the
/// same while the database is open.
pub(crate) struct Dictionary {
    types: HashMap<ResourceType, TypeCode>,
    parameters: HashMap<ResourceType, HashMap<Box<str>, Known>>,
    /// Which way to index they are of.
    generation: u64,
}

/// A parameter, as the database knows it.
#[derive(Clone, Copy)]
struct Known {
    // INVARIANT: a number stands for what the values were selected by, and is never given again.
    code: ParameterCode,
    /// Whether all resources of the type had their values when the database was opened.
    ready: bool,
}

impl Dictionary {
    /// Reads the numbers, and gives new ones to what has none, or was selected by something else
    /// than this program would: in a transaction that nobody else does it in.
    pub(crate) fn register(session: &Session<'_>) -> Found<Self> {
        let (types, parameters) = (HashMap::new(), HashMap::new());
        let mut dictionary = Self { types, parameters, generation: 0 };
        let mut changed = false;
        for resource_type in ResourceType::all() {
            let code = type_code(session, resource_type)?;
            let mut registration = Registration::read(session, resource_type, code)?;
            registration.complete()?;
            changed |= registration.changed;
            dictionary.types.insert(resource_type, code);
            dictionary.parameters.insert(resource_type, registration.known);
        }
        if changed {
            session.run("UPDATE state SET index_generation = index_generation + 1", ())?;
        }
        dictionary.generation = generation(session)?;
        Ok(dictionary)
    }

    /// Fails when another program has begun to index in another way since: what this one wrote would
    /// not be found by it.
    pub(crate) fn require_current(&self, session: &Session<'_>) -> Found<()> {
        if generation(session)? == self.generation { Ok(()) } else { Err(Failure::Superseded) }
    }

    /// The same for what is read: nothing is answered by numbers that may stand for nothing.
    pub(crate) fn require_current_to_read(&self, session: &Session<'_>) -> Result<(), StoreError> {
        if generation(session).map_err(unavailable)? == self.generation {
            return Ok(());
        }
        Err(StoreError::NotIndexed)
    }

    /// The number of a type. Every type has one; 0 is no type's.
    pub(crate) fn resource_type(&self, resource_type: ResourceType) -> TypeCode {
        self.types.get(&resource_type).copied().unwrap_or_default()
    }

    /// The number of a type's parameter, for its values to be stored by.
    pub(crate) fn parameter(&self, of: ResourceType, name: &str) -> Option<ParameterCode> {
        Some(self.parameters.get(&of)?.get(name)?.code)
    }

    /// The number of a type's parameter, to search by or to judge by. Refused while some resource
    /// may be without its values: what is not known to be complete answers nothing.
    pub(crate) fn searched(
        &self,
        session: &Session<'_>,
        of: ResourceType,
        name: &str,
    ) -> Result<Option<ParameterCode>, StoreError> {
        let Some(known) = self.parameters.get(&of).and_then(|known| known.get(name)) else {
            return Ok(None);
        };
        // Looked up in the state that is searched: it has become ready there, or not yet.
        if known.ready || is_ready(session, self.resource_type(of), known.code)? {
            return Ok(Some(known.code));
        }
        Err(StoreError::NotIndexed)
    }

    /// The types that have parameters which are not ready, those that a credential is judged by
    /// first.
    pub(crate) fn unindexed(&self, session: &Session<'_>) -> Found<Vec<ResourceType>> {
        let unready = "SELECT DISTINCT type FROM parameter WHERE ready = 0";
        let codes: Vec<TypeCode> = session.every(unready, (), |row| row.get(0))?;
        let of = |code: &TypeCode| self.types.iter().find(|(_, known)| *known == code);
        let mut types: Vec<_> = codes.iter().filter_map(of).map(|(of, _)| *of).collect();
        types.sort_by_key(|of| (!of.is_own(), of.name()));
        Ok(types)
    }
}

/// Which way to index the database has.
pub(crate) fn generation(session: &Session<'_>) -> Found<u64> {
    session
        .row("SELECT index_generation FROM state", (), |row| row.get::<i64>(0))
        .map(|generation| u64::try_from(generation).unwrap_or_default())
}

fn is_ready(
    session: &Session<'_>,
    type_code: TypeCode,
    code: ParameterCode,
) -> Result<bool, StoreError> {
    let ready = "SELECT ready FROM parameter WHERE type = ?1 AND code = ?2";
    session
        .row(ready, (type_code, code), |row| row.get(0))
        .optional()
        .map_err(unavailable)
        .map(|ready| ready.unwrap_or(false))
}

fn type_code(session: &Session<'_>, of: ResourceType) -> Found<TypeCode> {
    let known = "SELECT code FROM resource_type WHERE name = ?1";
    let new = "INSERT INTO resource_type (name) VALUES (?1) RETURNING code";
    match session.row(known, [of.name()], |row| row.get(0)).optional()? {
        Some(code) => Ok(code),
        None => session.row(new, [of.name()], |row| row.get(0)),
    }
}

/// The parameters of one type, being registered.
struct Registration<'s> {
    session: &'s Session<'s>,
    of: ResourceType,
    type_code: TypeCode,
    known: HashMap<Box<str>, Known>,
    /// What the values of each were selected by.
    extractions: HashMap<Box<str>, String>,
    last: ParameterCode,
    /// Whether there are resources, which have not the values of a new parameter.
    has_resources: Option<bool>,
    changed: bool,
}

impl<'s> Registration<'s> {
    fn read(session: &'s Session<'s>, of: ResourceType, type_code: TypeCode) -> Found<Self> {
        let (mut known, mut extractions) = (HashMap::new(), HashMap::new());
        session.every(
            "SELECT name, code, ready, extraction FROM parameter WHERE type = ?1",
            [type_code],
            |row| {
                let name: Box<str> = row.text(0)?.into();
                extractions.insert(name.clone(), row.get(3)?);
                known.insert(name, Known { code: row.get(1)?, ready: row.get(2)? });
                Ok(())
            },
        )?;
        let last = known.values().map(|known| known.code).max().unwrap_or(0);
        let (has_resources, changed) = (None, false);
        Ok(Self { session, of, type_code, known, extractions, last, has_resources, changed })
    }

    fn complete(&mut self) -> Found<()> {
        for parameter in Definitions::get().search_parameters(self.of) {
            let extraction = extraction(parameter);
            let known = self.extractions.get(&parameter.code);
            if known.is_none_or(|known| *known != extraction) {
                let is_known = known.is_some();
                self.renumber(&parameter.code, &extraction, is_known)?;
            }
        }
        Ok(())
    }

    fn renumber(&mut self, name: &str, extraction: &str, is_known: bool) -> Found<()> {
        self.last = self.last.checked_add(1).ok_or_else(|| damaged(1, "no number is left"))?;
        let ready = !self.has_resources()?;
        let statement = if is_known {
            "UPDATE parameter SET code = ?2, extraction = ?4, ready = ?5
             WHERE type = ?1 AND name = ?3"
        } else {
            "INSERT INTO parameter (type, code, name, extraction, ready)
             VALUES (?1, ?2, ?3, ?4, ?5)"
        };
        let values = (self.type_code, self.last, name, extraction, i64::from(ready));
        self.session.run(statement, values)?;
        self.known.insert(name.into(), Known { code: self.last, ready });
        self.changed = true;
        Ok(())
    }

    fn has_resources(&mut self) -> Found<bool> {
        if let Some(known) = self.has_resources {
            return Ok(known);
        }
        let one = "SELECT key FROM resource WHERE type = ?1 LIMIT 1";
        let found = self.session.row(one, [self.type_code], |row| row.get::<i64>(0)).optional()?;
        Ok(*self.has_resources.insert(found.is_some()))
    }
}

/// What a parameter's values are selected by, in a few characters.
fn extraction(parameter: &SearchParameter) -> String {
    let SearchParameter { kind, expression, targets, .. } = parameter;
    let targets: Vec<_> = targets.iter().map(|of| of.name()).collect();
    let text = format!("{EXTRACTOR_VERSION} {kind:?} {expression} {}", targets.join(" "));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().take(EXTRACTION_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that tell one way to select values from another.
const EXTRACTION_BYTES: usize = 8;

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
