//! What rules an interaction: the policies, or something that no policy changes.

use firewarden_fhir::{Interaction, ResourceType};

/// What rules an interaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The policies that apply.
    Policies,
    /// Of those, the ones that reach this type on purpose: an `allow` that links the caller's own
    /// User or Client, and a policy that names the type.
    PoliciesThatReach(ResourceType),
    /// Nobody may.
    Nobody,
    /// Every caller with a valid credential may.
    EveryAuthenticatedCaller,
    /// Callers whose own User or Client an `allow` policy links.
    Administrators,
}

pub(crate) fn rule(interaction: &Interaction) -> Rule {
    match interaction {
        Interaction::UserInfo => Rule::EveryAuthenticatedCaller,
        Interaction::TestPolicy(_)
        | Interaction::TestMatcho(_)
        | Interaction::TestToken(_)
        | Interaction::Explain(_)
        | Interaction::Jobs(_)
        | Interaction::HealthDetails => Rule::Administrators,
        Interaction::HistorySystem(_) | Interaction::Metrics => Rule::Policies,
        Interaction::Create(_)
        | Interaction::ConditionalCreate(..)
        | Interaction::Update(..)
        | Interaction::ConditionalUpdate(..) => match interaction.resource_type() {
            // The record of what happened, and what a token stands for, are the server's alone to
            // write.
            Some(of) if matches!(of.name(), "AuditEvent" | "Session") => Rule::Nobody,
            of => rule_of_type(of),
        },
        Interaction::Delete(..) | Interaction::ConditionalDelete(_) => {
            match interaction.resource_type() {
                Some(of) if of.name() == "AuditEvent" => Rule::Nobody,
                of => rule_of_type(of),
            }
        }
        Interaction::Read(_)
        | Interaction::Vread(..)
        | Interaction::Search(..)
        | Interaction::CompartmentSearch(..)
        | Interaction::HistoryInstance(..)
        | Interaction::HistoryType(..) => rule_of_type(interaction.resource_type()),
    }
}

fn rule_of_type(of: Option<ResourceType>) -> Rule {
    match of {
        Some(of) if of.is_own() || of.name() == "AuditEvent" => Rule::PoliciesThatReach(of),
        Some(_) => Rule::Policies,
        None => Rule::Nobody,
    }
}

/// Whether an interaction writes one of our own types, which decide who is who and who may what.
pub(crate) fn writes_own_type(interaction: &Interaction) -> bool {
    let of_ours = interaction.resource_type().is_some_and(ResourceType::is_own);
    of_ours
        && match interaction {
            Interaction::Create(_)
            | Interaction::ConditionalCreate(..)
            | Interaction::Update(..)
            | Interaction::ConditionalUpdate(..)
            | Interaction::Delete(..)
            | Interaction::ConditionalDelete(..) => true,
            Interaction::Read(_)
            | Interaction::Vread(..)
            | Interaction::Search(..)
            | Interaction::CompartmentSearch(..)
            | Interaction::HistoryInstance(..)
            | Interaction::HistoryType(..)
            | Interaction::HistorySystem(_)
            | Interaction::UserInfo
            | Interaction::TestPolicy(_)
            | Interaction::TestToken(_)
            | Interaction::TestMatcho(_)
            | Interaction::Explain(_)
            | Interaction::Jobs(_)
            | Interaction::HealthDetails
            | Interaction::Metrics => false,
        }
}

/// Whether rights are made of that type: who may write it can become anybody. A User is what it says
/// of itself as well, and is guarded attribute by attribute when it is written.
pub(crate) fn is_made_of_rights(of: ResourceType) -> bool {
    of.is_own() && !matches!(of.name(), "Session" | "User")
}
