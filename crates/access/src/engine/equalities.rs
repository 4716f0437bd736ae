//! What the literal equalities of a rule tell that it cannot hold without.

use std::collections::BTreeSet;

use firewarden_fhir::ResourceType;

use super::required::{Place, Required};

/// What the equalities tell of a request for which the rule holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Equalities {
    /// The values of which it has one.
    pub(super) required: Required,
    /// The types that are named by what it has, on `params.resource/type` or `uri`; `None` where
    /// the rule may hold without naming a type.
    named: Option<BTreeSet<ResourceType>>,
}

impl Equalities {
    /// That the value at a place is one of these.
    pub(super) fn one_of<'a>(
        place: Place,
        literals: impl Iterator<Item = &'a str> + Clone,
    ) -> Self {
        let named = place.tells_type().then(|| literals.clone().filter_map(|l| place.names(l)));
        Self { named: named.map(Iterator::collect), required: Required::one_of(place, literals) }
    }

    /// The types that are named.
    pub(super) fn names(self) -> BTreeSet<ResourceType> {
        self.named.unwrap_or_default()
    }

    /// What is told where both rules must hold.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        let named = match (self.named, other.named) {
            (Some(ours), Some(theirs)) => Some(ours.into_iter().chain(theirs).collect()),
            (ours, theirs) => ours.or(theirs),
        };
        Self { required: self.required.and(other.required), named }
    }

    /// What is told where one of two rules must hold.
    #[must_use]
    fn or(self, other: Self) -> Self {
        let named = self.named.zip(other.named);
        let named = named.map(|(ours, theirs)| ours.into_iter().chain(theirs).collect());
        Self { required: self.required.or(other.required), named }
    }

    /// What is told where one of the rules must hold; nothing where there is none.
    pub(super) fn any(each: impl Iterator<Item = Self>) -> Self {
        each.reduce(Self::or).unwrap_or_default()
    }

    /// What is told where all of the rules must hold.
    pub(super) fn all(each: impl Iterator<Item = Self>) -> Self {
        each.fold(Self::default(), Self::and)
    }
}
