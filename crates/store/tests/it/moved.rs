//! Everything in a store taken out, and brought into another.

use std::sync::{Arc, Mutex};

use firewarden_access::SystemTask;
use firewarden_fhir::{Resource, ResourceType, Target, Timestamp, Version};
use firewarden_store::{
    Dump, Dumped, HistoryMethod, KeptVersion, LoadItem, LoadRefusal, Loaded, Loader, Store,
};

/// A version, as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Taken {
    pub target: Target,
    pub version: Version,
    pub previous: Option<Timestamp>,
    pub updated: Timestamp,
    pub method: HistoryMethod,
    pub body: Option<String>,
    pub sealed: Vec<(String, Vec<u8>)>,
}

/// Everything there is, in an order of its own.
pub(crate) async fn taken(store: &Store, what: Dump) -> Vec<Taken> {
    let found = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&found);
    let take = move |dumped: &Dumped<'_>| {
        into.lock().unwrap().push(Taken {
            target: dumped.target.clone(),
            version: dumped.version,
            previous: dumped.previous,
            updated: dumped.updated,
            method: dumped.method,
            body: dumped.body.map(str::to_owned),
            sealed: dumped.sealed.to_vec(),
        });
        Ok(())
    };
    let types = ResourceType::all().map(|of| (of, SystemTask::Export.rows(of))).collect();
    store.dump(types, what, take).await.unwrap();
    let mut found = std::mem::take(&mut *found.lock().unwrap());
    found.sort_by_key(|taken| (taken.target.to_string(), taken.version));
    found
}

impl Taken {
    pub(crate) fn kept(&self) -> KeptVersion {
        let of = self.target.resource_type;
        let resource = self.body.as_ref().map(|body| {
            let content = firewarden_fhir::json::parse(body.as_bytes()).unwrap();
            Resource { resource_type: of, content: content.as_object().unwrap().clone() }
        });
        KeptVersion {
            target: self.target.clone(),
            rows: SystemTask::Import.rows(of),
            version: self.version,
            previous: self.previous,
            updated: self.updated,
            method: self.method,
            resource,
            sealed: self.sealed.clone(),
        }
    }
}

/// What came of each version, in a word.
pub(crate) async fn bring(loader: &Loader, versions: Vec<KeptVersion>) -> Vec<&'static str> {
    let mut items = Vec::new();
    let mut told = Vec::new();
    for kept in versions {
        match loader.prepare(LoadItem::Kept(kept)) {
            Ok(item) => items.push(item),
            Err(LoadRefusal::Type) => told.push("not of a type"),
            Err(LoadRefusal::Secret(_)) => told.push("not its secret"),
            Err(_) => told.push("refused"),
        }
    }
    let loaded = loader.commit(items, Vec::new()).await.unwrap();
    told.extend(loaded.iter().map(|loaded| match loaded {
        Loaded::Created => "created",
        Loaded::Updated => "updated",
        Loaded::AlreadyThere => "there",
        Loaded::Refused(LoadRefusal::OtherHistory) => "other history",
        Loaded::Refused(_) => "refused",
    }));
    told
}

/// Brings everything of one store into another.
pub(crate) async fn move_all(from: &Store, to: &Store) {
    let versions = taken(from, Dump::History).await;
    let count = versions.len();
    let mut loader = to.loader().await.unwrap();
    let kept = versions.iter().map(Taken::kept).collect();
    let told = bring(&loader, kept).await;
    assert_eq!(told.len(), count);
    assert!(told.iter().all(|word| matches!(*word, "created" | "updated")), "{told:?}");
    loader.build_index(|_, _| {}).await.unwrap();
}
