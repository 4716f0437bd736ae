//! Short words for what tests say to a store.

use firewarden_access::{RowFilter, SystemTask};
use firewarden_fhir::{Id, IfMatch, Resource, ResourceType, Target, Timestamp, Version};
use firewarden_store::{
    Change, Read, SecretChange, Store, Stored, Write, WriteError, WriteRequest, Written,
};

pub(crate) use crate::place::*;

pub(crate) const BASE_URL: &str = "http://localhost/fhir";

pub(crate) fn of(name: &str) -> ResourceType {
    ResourceType::parse(name).unwrap()
}

pub(crate) fn target(text: &str) -> Target {
    let (name, id) = text.split_once('/').unwrap();
    Target::new(of(name), Id::parse(id).unwrap())
}

/// Every row of any type but AuditEvent.
pub(crate) fn everything() -> RowFilter {
    SystemTask::InitBundle.rows(of("Patient"))
}

pub(crate) fn nothing() -> RowFilter {
    SystemTask::InitBundle.rows(of("AuditEvent"))
}

pub(crate) fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + milliseconds).unwrap()
}

fn resource(of: ResourceType, content: &str) -> Resource {
    let content = firewarden_fhir::json::parse(content.as_bytes()).unwrap();
    Resource { resource_type: of, content: content.as_object().unwrap().clone() }
}

pub(crate) fn create(on: &str, content: &str) -> Write {
    let target = target(on);
    let resource = resource(target.resource_type, content);
    let change = Change::Create { resource, secrets: Vec::new() };
    Write { target, matching: None, rows: everything(), change }
}

pub(crate) fn put(on: &str, content: &str) -> Write {
    put_with(on, content, IfMatch::Any, Vec::new())
}

pub(crate) fn put_with(
    on: &str,
    content: &str,
    if_match: IfMatch,
    secrets: Vec<(String, SecretChange)>,
) -> Write {
    let target = target(on);
    let resource = resource(target.resource_type, content);
    let change = Change::Put { resource, if_match, secrets };
    Write { target, matching: None, rows: everything(), change }
}

pub(crate) fn delete(on: &str) -> Write {
    let change = Change::Delete { if_match: IfMatch::Any };
    Write { target: target(on), matching: None, rows: everything(), change }
}

pub(crate) fn outside(write: Write) -> Write {
    Write { rows: nothing(), ..write }
}

pub(crate) fn version(number: u64) -> IfMatch {
    IfMatch::Version(Version(number))
}

pub(crate) async fn write(store: &Store, writes: Vec<Write>) -> Result<Vec<Written>, WriteError> {
    write_at(store, 0, writes).await
}

pub(crate) async fn write_at(
    store: &Store,
    milliseconds: i64,
    writes: Vec<Write>,
) -> Result<Vec<Written>, WriteError> {
    store.write(WriteRequest { policy_version: None, now: at(milliseconds), writes }).await
}

/// What a write or a read came to, in a word and the version.
pub(crate) fn told(written: &Written) -> String {
    match written {
        Written::Created(stored) => format!("created {}", stored.version),
        Written::Updated(stored) => format!("updated {}", stored.version),
        Written::Deleted(version) => format!("deleted {version}"),
        Written::Found(stored) => format!("found {}", stored.target),
        Written::DeletedMatches(all) => {
            let all: Vec<_> = all.iter().map(|(target, v)| format!("{target} {v}")).collect();
            format!("deleted {}", all.join(", "))
        }
        Written::NotThere => "not there".to_owned(),
    }
}

pub(crate) fn told_read(read: &Read) -> String {
    match read {
        Read::Found(stored) => format!("found {}", stored.version),
        Read::Deleted(version) => format!("deleted {version}"),
        Read::Absent => "absent".to_owned(),
    }
}

pub(crate) async fn read(store: &Store, on: &str) -> String {
    told_read(&store.read(&target(on), &everything()).await.unwrap())
}

pub(crate) async fn found(store: &Store, on: &str) -> Stored {
    let read = store.read(&target(on), &everything()).await.unwrap();
    let Read::Found(stored) = read else { panic!("{on}: {}", told_read(&read)) };
    stored
}
