//! Sealed secrets in the database: read, checked, replaced.

use std::collections::BTreeSet;

use super::dictionary::TypeCode;
use crate::StoreError;
use crate::database::{Result as Found, Session, unavailable};
use crate::prepare::SealedChange;
use crate::seal::Seal;
use firewarden_fhir::Target;

/// Refuses a key that did not seal what is in the database; the first key is remembered by what it
/// seals.
pub(crate) fn check_key(session: &Session<'_>, seal: &Seal) -> Result<(), StoreError> {
    let stored: Option<Vec<u8>> = session
        .row("SELECT secrets_check FROM state", (), |row| row.get(0))
        .map_err(unavailable)?;
    match stored {
        Some(check) if seal.made(&check) => Ok(()),
        Some(_) => Err(StoreError::Unavailable(
            "the secrets key is not the one this database was made with".to_owned(),
        )),
        None => {
            let check = seal.check_value().map_err(|_| {
                StoreError::Unavailable("the secrets key cannot be used".to_owned())
            })?;
            session
                .run("UPDATE state SET secrets_check = ?1", [check.as_slice()])
                .map(drop)
                .map_err(unavailable)
        }
    }
}

/// The sealed secrets of a resource, by JSON Pointer.
pub(crate) fn sealed(
    session: &Session<'_>,
    type_code: TypeCode,
    of: &Target,
) -> Found<Vec<(String, Vec<u8>)>> {
    session.every(
        "SELECT pointer, sealed FROM secret WHERE type = ?1 AND id = ?2 ORDER BY pointer",
        (type_code, of.id.as_str()),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// The first pointer whose secret is to be kept and is not there.
pub(crate) fn missing<'a>(
    session: &Session<'_>,
    type_code: TypeCode,
    of: &Target,
    changes: &'a [(String, SealedChange)],
) -> Found<Option<&'a str>> {
    if !changes.iter().any(|(_, change)| matches!(change, SealedChange::Keep)) {
        return Ok(None);
    }
    let stored = sealed(session, type_code, of)?;
    let stored: BTreeSet<&str> = stored.iter().map(|(pointer, _)| pointer.as_str()).collect();
    Ok(changes.iter().find_map(|(pointer, change)| match change {
        SealedChange::Keep if !stored.contains(pointer.as_str()) => Some(pointer.as_str()),
        SealedChange::Keep | SealedChange::Set(_) => None,
    }))
}

/// Makes the secrets of a resource those that are listed.
pub(crate) fn replace(
    session: &Session<'_>,
    type_code: TypeCode,
    of: &Target,
    changes: &[(String, SealedChange)],
) -> Found<()> {
    let id = of.id.as_str();
    for (pointer, _) in sealed(session, type_code, of)? {
        if !changes.iter().any(|(listed, _)| *listed == pointer) {
            session.run(
                "DELETE FROM secret WHERE type = ?1 AND id = ?2 AND pointer = ?3",
                (type_code, id, pointer),
            )?;
        }
    }
    for (pointer, change) in changes {
        if let SealedChange::Set(sealed) = change {
            session.run(
                "INSERT INTO secret (type, id, pointer, sealed) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (type, id, pointer) DO UPDATE SET sealed = excluded.sealed",
                (type_code, id, pointer.as_str(), sealed.as_slice()),
            )?;
        }
    }
    Ok(())
}
