//! The places of a request document that tell the type: where a rule may name one.

use firewarden_fhir::ResourceType;

/// A place in the request document, on the way to what tells the type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The document.
    Document,
    /// `params`.
    Params,
    /// `params.resource/type`.
    Type,
    /// `uri`.
    Uri,
}

impl Place {
    /// The place of a member of that name, if it leads there.
    pub(super) fn member(self, name: &str) -> Option<Self> {
        match (self, name) {
            (Self::Document, "params") => Some(Self::Params),
            (Self::Document, "uri") => Some(Self::Uri),
            (Self::Params, "resource/type") => Some(Self::Type),
            (Self::Document | Self::Params | Self::Type | Self::Uri, _) => None,
        }
    }

    /// Whether a text here tells the type.
    pub(super) fn tells_type(self) -> bool {
        matches!(self, Self::Type | Self::Uri)
    }

    /// The type that this text names here.
    pub(super) fn names(self, text: &str) -> Option<ResourceType> {
        match self {
            Self::Document | Self::Params => None,
            Self::Type => ResourceType::parse(text),
            Self::Uri => {
                let path = text.strip_prefix('/')?;
                let path = path.strip_prefix("fhir/").unwrap_or(path);
                ResourceType::parse(path.split('/').next()?)
            }
        }
    }
}
