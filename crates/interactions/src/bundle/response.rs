//! The Bundle that answers a batch or a transaction.

use std::fmt::Write;

use firewarden_fhir::instant_text;
use firewarden_store::Stored;

use super::BundleKind;
use crate::bundle_text::{BundleText, quoted};

/// The answer to one entry.
pub struct EntryResponse {
    /// The status, as HTTP would have it: `201 Created`.
    pub status: String,
    /// The URL of the version that was written.
    pub location: Option<String>,
    /// The version that was written or read.
    pub stored: Option<Stored>,
    /// The resource to show.
    pub resource: Option<String>,
    /// The OperationOutcome of a failure.
    pub outcome: Option<String>,
}

/// Writes the answer.
pub fn bundle_response(kind: BundleKind, entries: &[EntryResponse]) -> String {
    let size = entries.iter().map(|entry| entry.resource.as_ref().map_or(0, String::len) + 300);
    let bundle_type = match kind {
        BundleKind::Batch => "batch-response",
        BundleKind::Transaction => "transaction-response",
    };
    let mut bundle = BundleText::new(bundle_type, None, size.sum());
    for entry in entries {
        let mut response = format!(r#","response":{{"status":{}"#, quoted(&entry.status));
        if let Some(location) = &entry.location {
            let _ = write!(response, r#","location":{}"#, quoted(location));
        }
        if let Some(stored) = &entry.stored {
            let (version, updated) = (stored.version, instant_text(stored.updated));
            let _ = write!(response, r#","etag":"W/\"{version}\"","lastModified":"{updated}""#);
        }
        if let Some(outcome) = &entry.outcome {
            let _ = write!(response, r#","outcome":{outcome}"#);
        }
        response.push('}');
        bundle.entry(None, entry.resource.as_deref(), &response);
    }
    bundle.finish()
}
