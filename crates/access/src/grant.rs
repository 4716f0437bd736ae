//! What the policies grant of one interaction.

use firewarden_fhir::{Id, Interaction, ResourceType};

use crate::decide::{Asker, Considered, DenialReason};
use crate::document::{Keys, LazyDocument, RequestDocument};
use crate::limits::{CONSIDERED_MAX, POLICIES_PER_DECISION_MAX};
use crate::policy::{GivenRows, Policy, ReadAgainst};
use crate::rows::{RowUnion, TooManyRows};
use crate::rule::{Rule, rule, writes_own_type};
use crate::scopes::{self, Limit};
use crate::{PolicySet, RowFilter, Verdict};

/// What the policies grant of one interaction.
#[derive(Debug)]
pub(crate) struct Grant {
    /// The rows of the interaction's own type.
    pub(crate) rows: RowFilter,
    /// The policies that grant it, in the order of their evaluation.
    pub(crate) granted_by: Vec<String>,
    /// Whether the asker keeps the interaction's own type, as an administrator does.
    pub(crate) is_keeper: bool,
    /// What was considered, up to [`CONSIDERED_MAX`].
    considered: Vec<Considered>,
}

/// Why they grant nothing.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) reason: DenialReason,
    pub(crate) considered: Vec<Considered>,
}

impl Refused {
    fn because(reason: DenialReason, considered: Vec<Considered>) -> Self {
        Self { reason, considered }
    }
}

/// What the asker is granted of the interaction: what the policies grant, as far as the scopes of
/// the token go.
pub(crate) async fn grant(
    policies: &PolicySet,
    asker: &Asker,
    interaction: &Interaction,
) -> Result<Grant, Refused> {
    let grant = by_rule(policies, asker, interaction).await?;
    if rule(interaction) == Rule::EveryAuthenticatedCaller {
        return Ok(grant);
    }
    match scopes::limit(asker, interaction) {
        Limit::Everything => Ok(grant),
        Limit::Rows(rows) => Ok(Grant { rows: grant.rows.narrowed_by(&rows), ..grant }),
        Limit::NotCovered => {
            Err(Refused::because(DenialReason::InsufficientScope, grant.considered))
        }
    }
}

async fn by_rule(
    policies: &PolicySet,
    asker: &Asker,
    interaction: &Interaction,
) -> Result<Grant, Refused> {
    let nobody = || Refused::because(DenialReason::NotGranted, Vec::new());
    let of_no_type = |granted_by| Grant {
        rows: RowFilter::nothing(),
        granted_by,
        is_keeper: false,
        considered: Vec::new(),
    };
    match rule(interaction) {
        Rule::Policies => by_policies(policies, asker, interaction, None).await,
        Rule::PoliciesThatReach(of) => by_policies(policies, asker, interaction, Some(of)).await,
        Rule::Nobody => Err(nobody()),
        Rule::EveryAuthenticatedCaller if asker.caller.is_anonymous() => Err(nobody()),
        Rule::EveryAuthenticatedCaller => Ok(of_no_type(Vec::new())),
        Rule::Administrators => match policies.administering(&asker.caller, asker.now) {
            Some(policy) => Ok(of_no_type(vec![policy.to_string()])),
            None => Err(nobody()),
        },
    }
}

/// The union of what the policies grant whose rule holds. It ends early once that is all there is
/// to grant: further policies would add nothing.
async fn by_policies(
    policies: &PolicySet,
    asker: &Asker,
    interaction: &Interaction,
    guarded: Option<ResourceType>,
) -> Result<Grant, Refused> {
    let candidates = candidates(policies, asker, interaction, guarded);
    let of = interaction.resource_type();
    let keys = candidates.iter().map(|(_, policy)| policy.keys(of));
    let document = RequestDocument::lazy(interaction, asker, keys.fold(Keys::NONE, Keys::with));
    let mut sum = Sum { matters_who_keeps: writes_own_type(interaction), ..Sum::default() };
    for (index, (id, policy)) in candidates.into_iter().enumerate() {
        if index >= POLICIES_PER_DECISION_MAX {
            return Err(Refused::because(DenialReason::TooManyPolicies, sum.considered));
        }
        let verdict = policy.verdict(&document, asker.database.as_ref()).await;
        sum.consider(id, verdict);
        if verdict == Verdict::Satisfied && sum.add((id, policy), of, asker, &document).is_err() {
            return Err(Refused::because(DenialReason::TooManyPolicies, sum.considered));
        }
        if sum.is_complete() {
            break;
        }
    }
    let Sum { rows, granted_by, is_keeper, mut considered, .. } = sum;
    if granted_by.is_empty() {
        let broken = policies.broken().into_iter().take(CONSIDERED_MAX - considered.len());
        considered.extend(broken.map(|(id, _)| Considered::new(id, Verdict::Failed)));
        return Err(Refused::because(DenialReason::NotGranted, considered));
    }
    Ok(Grant { rows: rows.into_filter(), granted_by, is_keeper, considered })
}

/// What policies grant together.
#[derive(Default)]
struct Sum {
    rows: RowUnion,
    granted_by: Vec<String>,
    is_keeper: bool,
    matters_who_keeps: bool,
    considered: Vec<Considered>,
}

impl Sum {
    fn consider(&mut self, id: &Id, verdict: Verdict) {
        if self.considered.len() < CONSIDERED_MAX {
            self.considered.push(Considered::new(id, verdict));
        }
    }

    fn add(
        &mut self,
        (id, policy): (&Id, &Policy),
        of: Option<ResourceType>,
        asker: &Asker,
        document: &LazyDocument<'_>,
    ) -> Result<(), TooManyRows> {
        let Asker { caller, facts, now, .. } = asker;
        self.granted_by.push(id.to_string());
        // Of what has no type there are no rows to limit: its types are each decided for themselves.
        let Some(of) = of else {
            self.rows.add_everything();
            return Ok(());
        };
        self.is_keeper |= policy.makes_keeper(of, caller, *now);
        let against = ReadAgainst { base_url: &facts.base_url, now: *now };
        match policy.given(of, document, against) {
            GivenRows::Nothing => Ok(()),
            GivenRows::Matching(criteria) => self.rows.add(criteria),
            GivenRows::Everything => {
                self.rows.add_everything();
                Ok(())
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.rows.is_everything() && (self.is_keeper || !self.matters_who_keeps)
    }
}

/// The policies that may grant the interaction, in the order of their evaluation.
fn candidates<'a>(
    policies: &'a PolicySet,
    asker: &Asker,
    interaction: &Interaction,
    guarded: Option<ResourceType>,
) -> Vec<&'a (Id, Policy)> {
    let Asker { caller, now, .. } = asker;
    let mut candidates = policies.candidates(caller, interaction, *now);
    candidates.retain(|(_, policy)| barred(policy, asker, interaction, guarded).is_none());
    candidates
}

/// Why a policy cannot grant an interaction, whatever its rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Barred {
    /// Its `rows` do not list the type.
    LeavesOut(ResourceType),
    /// It is limited to rows, and figures of the whole server are not a matter of rows.
    HasRows,
    /// It does not reach the type on purpose.
    OutOfReach(ResourceType),
}

/// Why a policy that applies cannot grant the interaction, if it cannot.
pub(crate) fn barred(
    policy: &Policy,
    asker: &Asker,
    interaction: &Interaction,
    guarded: Option<ResourceType>,
) -> Option<Barred> {
    let Asker { caller, now, .. } = asker;
    match interaction.resource_type() {
        Some(of) if policy.leaves_out(of) => return Some(Barred::LeavesOut(of)),
        None if policy.rows.is_some() && *interaction == Interaction::Metrics => {
            return Some(Barred::HasRows);
        }
        Some(_) | None => {}
    }
    guarded.filter(|of| !policy.reaches(*of, caller, *now)).map(Barred::OutOfReach)
}
