//! What a write needs, made ready in the calling task: the writer only joins texts and runs SQL.

use firewarden_access::RowFilter;
use firewarden_fhir::extract::Extracted;
use firewarden_fhir::{IfMatch, Resource, ResourceType, Target, Timestamp, extract};

use crate::body::BodyParts;
use crate::condition::looks_up;
use crate::engine::chore::Chore;
use crate::index::{IndexKey, index_rows};
use crate::packed::{ParameterCode, Value, pack};
use crate::seal::{NotSealed, Seal};
use crate::{Change, Matching, SecretChange, Write, WriteError, WriteRequest};

/// A request, ready for the writer.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub policy_version: Option<u64>,
    pub now: Timestamp,
    pub writes: Vec<PreparedWrite>,
    /// What the store does for itself, in place of writes.
    pub chore: Option<Chore>,
}

/// One write, ready.
#[derive(Clone)]
pub(crate) struct PreparedWrite {
    pub target: Target,
    pub matching: Option<Matching>,
    pub rows: RowFilter,
    pub change: PreparedChange,
}

impl PreparedWrite {
    /// Whether the index is read to learn whether and where it is applied.
    pub(crate) fn reads_index(&self) -> bool {
        self.matching.is_some() || looks_up(&self.rows)
    }
}

#[derive(Clone)]
pub(crate) enum PreparedChange {
    Create(Content),
    Put(Content, IfMatch),
    Delete(IfMatch),
}

/// New content, ready.
#[derive(Clone)]
pub(crate) struct Content {
    pub body: BodyParts,
    pub packed: Vec<u8>,
    pub index: Vec<(ParameterCode, IndexKey)>,
    pub secrets: Vec<(String, SealedChange)>,
}

impl Content {
    /// About how many bytes it has.
    pub(crate) fn bytes(&self) -> usize {
        self.body.bytes() + self.packed.len()
    }

    /// The same content, made ready for another resource than it was.
    pub(crate) fn moved(self, from: &Target, to: &Target, seal: &Seal) -> Result<Self, NotSealed> {
        let secret = |(pointer, change): (String, SealedChange)| {
            let change = match change {
                SealedChange::Keep => SealedChange::Keep,
                SealedChange::Set(sealed) => {
                    let secret = seal.unseal(from, &pointer, &sealed)?;
                    SealedChange::Set(seal.seal(to, &pointer, &secret)?)
                }
            };
            Ok((pointer, change))
        };
        let secrets: Result<_, _> = self.secrets.into_iter().map(secret).collect();
        Ok(Self { body: self.body.moved(to), secrets: secrets?, ..self })
    }
}

/// What happens to a secret, sealed already.
#[derive(Clone)]
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
    pub code: &'a dyn Fn(ResourceType, &str) -> Option<ParameterCode>,
}

impl Preparer<'_> {
    pub(crate) fn request(&self, request: WriteRequest) -> Result<Prepared, WriteError> {
        let WriteRequest { policy_version, now, writes } = request;
        let writes: Result<_, _> = writes.into_iter().map(|w| self.write(w)).collect();
        Ok(Prepared { policy_version, now, writes: writes?, chore: None })
    }

    fn write(&self, write: Write) -> Result<PreparedWrite, WriteError> {
        let Write { target, matching, rows, change } = write;
        let change = match change {
            Change::Create { resource, secrets } => {
                PreparedChange::Create(self.content(&target, &resource, secrets)?)
            }
            Change::Put { resource, if_match, secrets } => {
                PreparedChange::Put(self.content(&target, &resource, secrets)?, if_match)
            }
            Change::Delete { if_match } => PreparedChange::Delete(if_match),
        };
        Ok(PreparedWrite { target, matching, rows, change })
    }

    pub(crate) fn content(
        &self,
        target: &Target,
        resource: &Resource,
        secrets: Vec<(String, SecretChange)>,
    ) -> Result<Content, WriteError> {
        let extracted = extract::extract(target.resource_type, &resource.content, self.base_url);
        let values = packable(&extracted, &|name| (self.code)(target.resource_type, name));
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

/// The values of a resource as they are packed: by the numbers of their parameters.
pub(crate) fn packable<'e>(
    extracted: &'e [Extracted],
    code: &dyn Fn(&str) -> Option<ParameterCode>,
) -> Vec<(ParameterCode, Value<'e>)> {
    let value = |e: &'e Extracted| Some((code(&e.parameter.code)?, Value::of(&e.value)?));
    let mut values: Vec<_> = extracted.iter().filter_map(value).collect();
    values.sort_by_key(|(parameter, _)| *parameter);
    values
}
