//! What came of an interaction.

use firewarden_fhir::{Issue, Version};
use firewarden_store::Stored;

/// What came of an interaction.
#[derive(Debug)]
pub enum Outcome {
    /// A resource, or a version of one.
    Found(Stored),
    /// What was to be created is there already.
    Existing(Stored),
    /// A resource was created.
    Created(Saved),
    /// A resource was replaced.
    Updated(Saved),
    /// It was deleted, in that version; `None` when there was nothing to delete.
    Deleted(Option<Version>),
    /// A Bundle, or another resource that is not stored, as JSON.
    Made(String),
}

/// A resource that was written.
#[derive(Debug)]
pub struct Saved {
    /// As it is stored now.
    pub stored: Stored,
    /// What its author should know.
    pub warnings: Vec<Issue>,
}

impl Outcome {
    /// How many bytes of resources there are in it.
    pub fn body_bytes(&self) -> usize {
        match self {
            Self::Found(stored)
            | Self::Existing(stored)
            | Self::Created(Saved { stored, .. })
            | Self::Updated(Saved { stored, .. }) => stored.body.len(),
            Self::Deleted(_) => 0,
            Self::Made(text) => text.len(),
        }
    }
}
