//! What a request must be for a rule to hold, as far as literal equalities in the rule tell it.

use std::collections::BTreeSet;

use firewarden_fhir::ResourceType;

/// What a decision knows of a request before any rule is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// `request-method`.
    pub(crate) method: &'a str,
    /// `params.resource/type`.
    pub(crate) of: Option<&'a str>,
    /// `uri`.
    pub(crate) uri: &'a str,
    /// `operation.id`.
    pub(crate) operation: &'a str,
}

/// The values of which a request must have one, for the rule to hold. `None` where the rule may
/// hold with any. It says nothing of whether the rule holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Required {
    pub(crate) methods: Option<BTreeSet<String>>,
    pub(crate) types: Option<BTreeSet<String>>,
    pub(crate) uris: Option<BTreeSet<String>>,
    pub(crate) operations: Option<BTreeSet<String>>,
}

/// A place of the request document, on the way to what is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The document.
    Document,
    /// `params`.
    Params,
    /// `operation`.
    Operation,
    /// `request-method`.
    Method,
    /// `params.resource/type`.
    Type,
    /// `uri`.
    Uri,
    /// `operation.id`.
    OperationId,
}

impl Place {
    /// The place of a member of that name, if it leads there.
    pub(super) fn member(self, name: &str) -> Option<Self> {
        match (self, name) {
            (Self::Document, "params") => Some(Self::Params),
            (Self::Document, "operation") => Some(Self::Operation),
            (Self::Document, "request-method") => Some(Self::Method),
            (Self::Document, "uri") => Some(Self::Uri),
            (Self::Params, "resource/type") => Some(Self::Type),
            (Self::Operation, "id") => Some(Self::OperationId),
            (
                Self::Document
                | Self::Params
                | Self::Operation
                | Self::Method
                | Self::Type
                | Self::Uri
                | Self::OperationId,
                _,
            ) => None,
        }
    }
}

impl Place {
    /// Whether a text here tells the type.
    pub(super) fn tells_type(self) -> bool {
        matches!(self, Self::Type | Self::Uri)
    }

    /// The type that this text names here.
    pub(super) fn names(self, text: &str) -> Option<ResourceType> {
        match self {
            Self::Document | Self::Params | Self::Operation | Self::Method | Self::OperationId => {
                None
            }
            Self::Type => ResourceType::parse(text),
            Self::Uri => {
                let path = text.strip_prefix('/')?;
                let path = path.strip_prefix("fhir/").unwrap_or(path);
                ResourceType::parse(path.split('/').next()?)
            }
        }
    }
}

impl Required {
    /// That the value at a place is one of these.
    pub(super) fn one_of<'a>(place: Place, literals: impl Iterator<Item = &'a str>) -> Self {
        let literals = || Some(literals.map(str::to_owned).collect());
        let any = Self::default();
        match place {
            Place::Document | Place::Params | Place::Operation => any,
            Place::Method => Self { methods: literals(), ..any },
            Place::Type => Self { types: literals(), ..any },
            Place::Uri => Self { uris: literals(), ..any },
            Place::OperationId => Self { operations: literals(), ..any },
        }
    }

    /// What is required where both rules must hold.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        let both =
            |ours: Option<BTreeSet<String>>, theirs: Option<BTreeSet<String>>| match (ours, theirs)
            {
                (Some(ours), Some(theirs)) => Some(ours.intersection(&theirs).cloned().collect()),
                (ours, theirs) => ours.or(theirs),
            };
        Self {
            methods: both(self.methods, other.methods),
            types: both(self.types, other.types),
            uris: both(self.uris, other.uris),
            operations: both(self.operations, other.operations),
        }
    }

    /// What is required where one of two rules must hold.
    #[must_use]
    pub(super) fn or(self, other: Self) -> Self {
        let either = |ours: Option<BTreeSet<String>>, theirs: Option<BTreeSet<String>>| {
            let (mut ours, theirs) = (ours?, theirs?);
            ours.extend(theirs);
            Some(ours)
        };
        Self {
            methods: either(self.methods, other.methods),
            types: either(self.types, other.types),
            uris: either(self.uris, other.uris),
            operations: either(self.operations, other.operations),
        }
    }

    /// What is required where one of the rules must hold; nothing where there is none.
    pub(super) fn any(each: impl Iterator<Item = Self>) -> Self {
        each.reduce(Self::or).unwrap_or_default()
    }

    /// What is required where all of the rules must hold.
    pub(super) fn all(each: impl Iterator<Item = Self>) -> Self {
        each.fold(Self::default(), Self::and)
    }

    /// Whether the request has what is required.
    pub(crate) fn admits(&self, asked: &Asked<'_>) -> bool {
        let has = |required: &Option<BTreeSet<String>>, value: Option<&str>| match required {
            None => true,
            Some(values) => value.is_some_and(|value| values.contains(value)),
        };
        has(&self.methods, Some(asked.method))
            && has(&self.types, asked.of)
            && has(&self.uris, Some(asked.uri))
            && has(&self.operations, Some(asked.operation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(place: Place, literals: &[&str]) -> Required {
        Required::one_of(place, literals.iter().copied())
    }

    const READ: Asked<'_> =
        Asked { method: "get", of: Some("Patient"), uri: "/fhir/Patient/1", operation: "FhirRead" };

    #[test]
    fn what_is_required_is_of_all_rules_or_of_each() {
        let (get, patient) = (of(Place::Method, &["get"]), of(Place::Type, &["Patient", "Group"]));
        let group = of(Place::Type, &["Group", "List"]);
        let both = get.clone().and(patient.clone());
        assert!(both.admits(&READ));
        assert!(!both.clone().and(group.clone()).admits(&READ));
        assert!(!both.admits(&Asked { method: "put", ..READ }));
        assert!(!both.admits(&Asked { of: None, ..READ }));
        assert_eq!(get.clone().or(patient.clone()), Required::default());
        assert_eq!(patient.or(group), of(Place::Type, &["Group", "List", "Patient"]));
        assert_eq!(
            Required::any([get.clone(), Required::default()].into_iter()),
            Required::default()
        );
        assert_eq!(Required::any([].into_iter()), Required::default());
        let put = of(Place::Method, &["put"]);
        assert_eq!(
            Required::any([get.clone(), put].into_iter()),
            of(Place::Method, &["get", "put"])
        );
        assert_eq!(Required::all([get.clone(), Required::default()].into_iter()), get);
    }

    #[test]
    fn no_value_is_no_request() {
        assert!(!of(Place::Uri, &[]).admits(&READ));
        assert!(Required::default().admits(&READ));
        assert!(of(Place::OperationId, &["FhirRead"]).admits(&READ));
        assert!(!of(Place::Uri, &["/fhir/Patient"]).admits(&READ));
    }
}
