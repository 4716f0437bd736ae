//! What a reference's text points at (<https://hl7.org/fhir/R4/references.html>).

use crate::{Id, ResourceType, Target, Version};

/// A reference, read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// A resource of this server: `Patient/1`, `Patient/1/_history/2`, or the same below the
    /// server's own base URL.
    Local {
        /// The resource.
        target: Target,
        /// The version, of a version-specific reference.
        version: Option<Version>,
    },
    /// Anything else that is absolute: another server's URL, `urn:uuid:…`, a canonical URL.
    Absolute(Box<str>),
    /// `#id`: a contained resource.
    Contained(Box<str>),
}

impl Reference {
    /// Reads a reference. `base_url` is this server's FHIR base without a trailing slash; a URL
    /// under any other base is never taken for a local one. `None` for text that is neither
    /// absolute nor `Type/id` of a known type.
    pub fn parse(text: &str, base_url: &str) -> Option<Self> {
        if let Some(fragment) = text.strip_prefix('#') {
            return Some(Self::Contained(fragment.into()));
        }
        if let Some(local) = local(text) {
            return Some(local);
        }
        let below_base = text.strip_prefix(base_url).and_then(|rest| rest.strip_prefix('/'));
        if let Some(local) = below_base.and_then(local) {
            return Some(local);
        }
        is_absolute(text).then(|| Self::Absolute(text.into()))
    }
}

fn local(text: &str) -> Option<Reference> {
    let mut segments = text.split('/');
    let resource_type = ResourceType::parse(segments.next()?)?;
    let id = Id::parse(segments.next()?)?;
    let version = match (segments.next(), segments.next(), segments.next()) {
        (None, _, _) => None,
        (Some("_history"), Some(version), None) => Some(Version::parse(version)?),
        _ => return None,
    };
    Some(Reference::Local { target: Target::new(resource_type, id), version })
}

/// Whether the text begins with a URI scheme (RFC 3986 section 3.1).
fn is_absolute(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}
