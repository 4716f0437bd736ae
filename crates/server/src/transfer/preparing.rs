//! Makes what was read ready to be committed: parsed, checked, extracted, on several threads.

use std::sync::Arc;

use firewarden_access::SystemTask;
use firewarden_fhir::{Issue, Resource, Target, json, operation_outcome};
use firewarden_interactions::import::{
    BundleItems, KEPT_VERSION, bundle_items, imported, kept_version, placed,
};
use firewarden_store::{LoadItem, Loader, PreparedLoad};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::reading::{Chunk, Line};
use super::rejected::Rejected;
use super::sources::Form;
use crate::app::{App, new_id, now};
use crate::configuration::Snapshot;
use crate::own_types::Force;

/// A chunk, ready.
pub(super) struct ReadyChunk {
    pub(super) number: u64,
    pub(super) file: usize,
    /// The number of its last line.
    pub(super) last: u64,
    pub(super) items: Vec<Ready>,
    /// Held until it is committed.
    pub(super) _place: OwnedSemaphorePermit,
}

/// What a line, or an entry of a Bundle, became.
pub(super) enum Ready {
    /// To be loaded with others.
    Load {
        line: u64,
        entry: Option<usize>,
        item: PreparedLoad,
        text: Option<String>,
    },
    /// A resource of ours: performed as an update.
    Own {
        line: u64,
        entry: Option<usize>,
        target: Target,
        resource: Resource,
    },
    /// A Bundle that asks for more than to store resources: performed.
    Bundle {
        line: u64,
        bundle: Value,
    },
    Rejected(Rejected),
}

/// What chunks are prepared with.
#[derive(Clone)]
pub(super) struct Preparing {
    pub(super) app: Arc<App>,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) loader: Loader,
}

impl Preparing {
    pub(super) fn chunk(&self, chunk: Chunk) -> ReadyChunk {
        let Chunk { number, file, form, first, lines, place } = chunk;
        let last = first + (lines.len() as u64).saturating_sub(1);
        let mut items = Vec::with_capacity(lines.len());
        for (line, text) in (first..).zip(lines) {
            match text {
                Line::TooLong => {
                    let text = "longer than one may be: see FIREWARDEN_BODY_LIMIT and \
                                FIREWARDEN_BUNDLE_LIMIT";
                    let issue = Issue::error("too-long", text);
                    items.push(Ready::Rejected(Rejected::new(line, &[issue])));
                }
                Line::Text(text) if text.iter().all(u8::is_ascii_whitespace) => {}
                Line::Text(text) => self.text(form, line, text, &mut items),
            }
        }
        ReadyChunk { number, file, last, items, _place: place }
    }

    fn text(&self, form: Form, line: u64, text: Vec<u8>, items: &mut Vec<Ready>) {
        let resource = match json::parse(&text) {
            Ok(resource) => resource,
            Err(error) => {
                let issue = Issue::error("structure", format!("not JSON: {error}"));
                let rejected = Rejected::new(line, &[issue]);
                return items.push(Ready::Rejected(with_text(rejected, text)));
            }
        };
        let of = |name: &str| resource.get(name).and_then(Value::as_str);
        if resource.get(KEPT_VERSION.0).is_some() {
            return items.push(self.kept(line, resource, text));
        }
        if form == Form::Document && of("resourceType") == Some("Bundle") {
            return self.bundle(line, resource, items);
        }
        let own = of("resourceType").and_then(firewarden_fhir::ResourceType::parse);
        let own = own.is_some_and(firewarden_fhir::ResourceType::is_own);
        let ready = self.placed(line, None, placed(resource, new_id));
        items.push(match ready {
            Ready::Rejected(rejected) if !own => Ready::Rejected(with_text(rejected, text)),
            Ready::Load { .. } | Ready::Own { .. } | Ready::Bundle { .. } | Ready::Rejected(_) => {
                ready
            }
        });
    }

    /// A resource, ready or refused.
    fn placed(
        &self,
        line: u64,
        entry: Option<usize>,
        resource: Result<(Target, Resource), Issue>,
    ) -> Ready {
        let refused =
            |issues: &[Issue]| Ready::Rejected(Rejected { entry, ..Rejected::new(line, issues) });
        match resource {
            Err(issue) => refused(&[issue]),
            Ok((target, resource)) if target.resource_type.is_own() => {
                Ready::Own { line, entry, target, resource }
            }
            Ok((target, resource)) => match self.load(target, resource) {
                Ok(item) => Ready::Load { line, entry, item, text: None },
                Err(issues) => refused(&issues),
            },
        }
    }

    fn load(&self, target: Target, resource: Resource) -> Result<PreparedLoad, Vec<Issue>> {
        let write = imported(target, resource)?;
        let prepared = self.loader.prepare(LoadItem::Write(write, now()));
        prepared.map_err(|refusal| vec![Issue::error("processing", refusal.to_string())])
    }

    fn kept(&self, line: u64, resource: Value, text: Vec<u8>) -> Ready {
        let Value::Object(members) = resource else {
            let issue = Issue::error("structure", "not an object");
            return Ready::Rejected(Rejected::new(line, &[issue]));
        };
        let rules = self.app.own_rules(&self.snapshot, now(), Force::Yes);
        let kept = kept_version(&rules, members);
        let own = kept.as_ref().map_or(true, |kept| kept.target.resource_type.is_own());
        let prepared = kept.and_then(|kept| {
            let prepared = self.loader.prepare(LoadItem::Kept(kept));
            prepared.map_err(|refusal| vec![Issue::error("processing", refusal.to_string())])
        });
        match prepared {
            Ok(item) => {
                let text = if own { None } else { String::from_utf8(text).ok() };
                Ready::Load { line, entry: None, item, text }
            }
            Err(issues) if own => Ready::Rejected(Rejected::new(line, &issues)),
            Err(issues) => Ready::Rejected(with_text(Rejected::new(line, &issues), text)),
        }
    }

    fn bundle(&self, line: u64, bundle: Value, items: &mut Vec<Ready>) {
        match bundle_items(bundle, new_id) {
            Err(issue) => items.push(Ready::Rejected(Rejected::new(line, &[issue]))),
            Ok(BundleItems::Performed(bundle)) => items.push(Ready::Bundle { line, bundle }),
            Ok(BundleItems::Resource(resource)) => {
                items.push(self.placed(line, None, placed(resource, new_id)));
            }
            Ok(BundleItems::Each(each)) => {
                let each = each.into_iter().enumerate();
                items.extend(each.map(|(index, one)| self.placed(line, Some(index), one)));
            }
            Ok(BundleItems::Together(all)) => {
                let ready = all.into_iter().enumerate();
                let ready: Vec<Ready> =
                    ready.map(|(index, one)| self.placed(line, Some(index), Ok(one))).collect();
                let is_whole = ready.iter().all(|one| !matches!(one, Ready::Rejected(_)));
                // What belongs together is rejected together.
                let kept =
                    ready.into_iter().filter(|one| is_whole || matches!(one, Ready::Rejected(_)));
                items.extend(kept);
            }
        }
    }
}

fn with_text(rejected: Rejected, text: Vec<u8>) -> Rejected {
    let text = String::from_utf8_lossy(&text).into_owned();
    Rejected { text: Some(text), ..rejected }
}

/// What is told of a resource of a type that is not imported.
pub(super) fn not_imported(line: u64, entry: Option<usize>, target: &Target) -> Rejected {
    let text =
        format!("`{}` is made by the server alone, and is not imported", target.resource_type);
    let outcome = operation_outcome(&[Issue::error("not-supported", text)]);
    Rejected { line, entry, outcome, text: None }
}

/// Whether resources of that type are imported.
pub(super) fn is_imported(target: &Target) -> bool {
    let rows = SystemTask::Import.rows(target.resource_type);
    matches!(rows.reach(), firewarden_access::Reach::Everything)
}
