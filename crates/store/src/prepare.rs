//! What a write needs, made ready in the calling task: the writer only joins texts and runs SQL.

use firewarden_access::RowFilter;
use firewarden_fhir::{IfMatch, Resource, Target, Timestamp, extract};

use crate::body::BodyParts;
use crate::index::{IndexKey, index_rows};
use crate::packed::{ParameterCode, Value, pack};
use crate::seal::Seal;
use crate::{Change, SecretChange, Write, WriteError, WriteRequest};

/// A request, ready for the writer.
pub(crate) struct Prepared {
    pub policy_version: Option<u64>,
    pub now: Timestamp,
    pub writes: Vec<PreparedWrite>,
}

/// One write, ready.
pub(crate) struct PreparedWrite {
    pub target: Target,
    pub rows: RowFilter,
    pub change: PreparedChange,
}

pub(crate) enum PreparedChange {
    Create(Content),
    Put(Content, IfMatch),
    Delete(IfMatch),
}

/// New content, ready.
pub(crate) struct Content {
    pub body: BodyParts,
    pub packed: Vec<u8>,
    pub index: Vec<(ParameterCode, IndexKey)>,
    pub secrets: Vec<(String, SealedChange)>,
}

/// What happens to a secret, sealed already.
pub(crate) enum SealedChange {
    Keep,
    Set(Vec<u8>),
}

/// What preparing needs of the store.
pub(crate) struct Preparer<'a> {
    /// References below it are local.
    pub base_url: &'a str,
    pub seal: &'a Seal,
    /// The number of a parameter, where the database has one.
    pub code: &'a dyn Fn(&extract::Extracted) -> Option<ParameterCode>,
}

impl Preparer<'_> {
    pub(crate) fn request(&self, request: WriteRequest) -> Result<Prepared, WriteError> {
        let writes: Result<_, _> = request.writes.into_iter().map(|w| self.write(w)).collect();
        Ok(Prepared { policy_version: request.policy_version, now: request.now, writes: writes? })
    }

    fn write(&self, write: Write) -> Result<PreparedWrite, WriteError> {
        let Write { target, rows, change } = write;
        let change = match change {
            Change::Create { resource, secrets } => {
                PreparedChange::Create(self.content(&target, &resource, secrets)?)
            }
            Change::Put { resource, if_match, secrets } => {
                PreparedChange::Put(self.content(&target, &resource, secrets)?, if_match)
            }
            Change::Delete { if_match } => PreparedChange::Delete(if_match),
        };
        Ok(PreparedWrite { target, rows, change })
    }

    fn content(
        &self,
        target: &Target,
        resource: &Resource,
        secrets: Vec<(String, SecretChange)>,
    ) -> Result<Content, WriteError> {
        let extracted = extract::extract(target.resource_type, &resource.content, self.base_url);
        let mut values: Vec<(ParameterCode, Value<'_>)> = extracted
            .iter()
            .filter_map(|e| Some(((self.code)(e)?, Value::of(&e.value)?)))
            .collect();
        values.sort_by_key(|(parameter, _)| *parameter);
        let secrets: Result<_, _> =
            secrets.into_iter().map(|(pointer, s)| self.secret(target, pointer, s)).collect();
        Ok(Content {
            body: BodyParts::of(target, &resource.content),
            packed: pack(&values),
            index: index_rows(&values),
            secrets: secrets?,
        })
    }

    fn secret(
        &self,
        of: &Target,
        pointer: String,
        change: SecretChange,
    ) -> Result<(String, SealedChange), WriteError> {
        let sealed = match change {
            SecretChange::Keep => SealedChange::Keep,
            SecretChange::Set(secret) => {
                let sealed = self.seal.seal(of, &pointer, &secret);
                SealedChange::Set(sealed.map_err(|_| {
                    WriteError::Unavailable("a secret could not be sealed".to_owned())
                })?)
            }
        };
        Ok((pointer, sealed))
    }
}
