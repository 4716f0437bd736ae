//! A version that is loaded with the number, time and method that it had in another database.

use firewarden_fhir::{Target, Timestamp, Version};

use super::{Changes, Current, Failed, Found, One, Tools, number};
use crate::HistoryMethod;
use crate::database::{OptionalRow, Sql};
use crate::engine::{row, secrets};
use crate::load::{LoadRefusal, Loaded};
use crate::prepare::{Content, SealedChange};

/// A kept version, ready.
#[derive(Clone)]
pub(crate) struct Kept {
    pub target: Target,
    pub version: Version,
    /// The time of the version before it; `None` of the first.
    pub previous: Option<Timestamp>,
    pub updated: Timestamp,
    pub method: HistoryMethod,
    pub content: KeptContent,
}

/// What a version says.
#[derive(Clone)]
pub(crate) enum KeptContent {
    Resource(Box<Content>),
    Deletion,
}

/// Loads the version, where it follows what is there.
pub(crate) fn restore(tools: Tools<'_>, kept: Kept) -> Result<(Loaded, Changes), Failed> {
    let one = One::new(tools, (0, kept.updated), kept.target.clone());
    let current = one.current()?;
    match current {
        None if kept.version == Version(1) => one.insert_kept(kept),
        None => Ok(refused()),
        Some(current) if current.version >= kept.version => {
            let same = one.has(&current, &kept)?;
            Ok(if same { (Loaded::AlreadyThere, Vec::new()) } else { refused() })
        }
        Some(current) => {
            let follows = current.version.0.checked_add(1) == Some(kept.version.0)
                && Some(current.updated) == kept.previous
                && kept.updated >= current.updated;
            if follows { one.supersede_by(current, kept) } else { Ok(refused()) }
        }
    }
}

fn refused() -> (Loaded, Changes) {
    (Loaded::Refused(LoadRefusal::OtherHistory), Vec::new())
}

impl One<'_> {
    /// Whether that version is there as it is kept.
    fn has(&self, current: &Current, kept: &Kept) -> Found<bool> {
        let body = match &kept.content {
            KeptContent::Resource(content) => Some(content.body.join(kept.version, kept.updated)),
            KeptContent::Deletion => None,
        };
        let sql = if current.version == kept.version {
            "SELECT updated, method, body FROM resource WHERE key = ?1 AND version = ?2"
        } else {
            "SELECT updated, method, body FROM history WHERE key = ?1 AND version = ?2"
        };
        let stored = self.session.row(sql, (current.key, number(kept.version)?), |found| {
            let body_is = row::body(found, 2)?.as_deref() == body.as_deref();
            let updated_is = row::updated(found, 0)? == kept.updated;
            Ok(body_is && updated_is && row::method(found, 1)? == kept.method)
        });
        Ok(stored.optional()?.unwrap_or(false))
    }

    fn insert_kept(self, kept: Kept) -> Result<(Loaded, Changes), Failed> {
        let KeptContent::Resource(content) = kept.content else { return Ok(refused()) };
        let content = *content;
        let (written, changes) = self.insert(content, kept.method)?;
        drop(written);
        Ok((Loaded::Created, changes))
    }

    fn supersede_by(self, current: Current, kept: Kept) -> Result<(Loaded, Changes), Failed> {
        self.supersede(&current)?;
        let head: [Sql<'_>; 4] = [
            current.key.into(),
            number(kept.version)?.into(),
            kept.updated.as_millisecond().into(),
            row::method_code(kept.method).into(),
        ];
        let no_secrets: &[(String, SealedChange)] = &[];
        let new = match kept.content {
            KeptContent::Deletion => {
                self.session.run(
                    "UPDATE resource SET version = ?2, updated = ?3, method = ?4, deleted = 1,
                     packed = NULL, body = NULL WHERE key = ?1",
                    head.to_vec(),
                )?;
                secrets::replace(self.session, self.type_code, &self.target, no_secrets)?;
                Vec::new()
            }
            KeptContent::Resource(content) => {
                let body = content.body.join(kept.version, kept.updated);
                let mut values = head.to_vec();
                values.extend([content.packed.as_slice().into(), body.as_str().into()]);
                self.session.run(
                    "UPDATE resource SET version = ?2, updated = ?3, method = ?4, deleted = 0,
                     packed = ?5, body = ?6 WHERE key = ?1",
                    values,
                )?;
                secrets::replace(self.session, self.type_code, &self.target, &content.secrets)?;
                content.index
            }
        };
        let changes = self.changes(current.key, current.index()?, new);
        Ok((Loaded::Updated, changes))
    }
}
