//! Why a request is allowed or refused: what each policy that concerns it says, and the rows.

use std::sync::Arc;

use firewarden_fhir::search::conjunction_text;
use firewarden_fhir::{Id, Interaction, ResourceType};
use serde_json::Value;

use crate::decide::decide;
use crate::document::{Keys, LazyDocument, RequestDocument};
use crate::grant::{Barred, barred};
use crate::limits::{CONSIDERED_MAX, POLICIES_PER_DECISION_MAX};
use crate::policy::{GivenRows, Policy, ReadAgainst};
use crate::rule::{Rule, rule};
use crate::{Asker, Considered, DenialReason, PolicySet, Verdict};

/// What one policy says of a request, and why it does not grant it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The policy's id.
    pub policy: String,
    /// What it says.
    pub verdict: Verdict,
    /// Where its rule first fails, as its engine tells it: `path`, `expected`, `but`.
    pub failing: Option<Value>,
    /// The rows that it gives where it is satisfied, if it is limited to some.
    pub rows: Option<String>,
    /// Why its rule was not asked, or cannot grant this.
    pub note: Option<String>,
}

/// What the policies that concern a request say of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reasons {
    /// Each of them, in the order of their evaluation.
    pub list: Vec<Reason>,
    /// How many more there are.
    pub left_out: usize,
}

/// A request as it would be decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Why it is refused; `None` where it is allowed.
    pub refused: Option<DenialReason>,
    /// What rules such requests, in words.
    pub ruled_by: &'static str,
    /// The policies that grant it.
    pub granted_by: Vec<String>,
    /// The rows of the type asked for that it may touch, in one text; `None` where
    /// it is refused, or about no type.
    pub rows: Option<String>,
    /// What each policy says.
    pub reasons: Reasons,
}

/// What is known of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKept {
    /// All of it, or there was none.
    Whole,
    /// It is left out: a rule that looks at it is not asked.
    Dropped,
}

/// Decides a request without doing it, and tells why.
pub async fn explain(
    policies: &Arc<PolicySet>,
    asker: Asker,
    interaction: Interaction,
) -> Explanation {
    let ruled_by = ruled_by(&interaction);
    let reasons = reasons(policies, &asker, &interaction, BodyKept::Whole).await;
    let of = interaction.resource_type();
    match decide(policies, asker, interaction).await {
        Ok(permitted) => {
            let rows = match of {
                Some(of) => Some(permitted.rows(of).await.to_string()),
                None => None,
            };
            let granted_by = permitted.granted_by().to_vec();
            Explanation { refused: None, ruled_by, granted_by, rows, reasons }
        }
        Err(denial) => {
            let reasons = reasons.with_verdicts(&denial.considered);
            let refused = Some(denial.reason);
            Explanation { refused, ruled_by, granted_by: Vec::new(), rows: None, reasons }
        }
    }
}

/// What each policy says that concerns the asker, whether the decision needed it or not.
pub async fn reasons(
    policies: &PolicySet,
    asker: &Asker,
    interaction: &Interaction,
    body: BodyKept,
) -> Reasons {
    let guarded = match rule(interaction) {
        Rule::Policies => None,
        Rule::PoliciesThatReach(of) => Some(of),
        Rule::Nobody | Rule::EveryAuthenticatedCaller | Rule::Administrators => {
            return Reasons::default();
        }
    };
    let operation = interaction.operation_id();
    let concerned: Vec<&(Id, Policy)> = policies
        .applying(&asker.caller, operation, asker.now)
        .take(POLICIES_PER_DECISION_MAX)
        .collect();
    let of = interaction.resource_type();
    let keys = concerned.iter().map(|(_, policy)| policy.keys(of));
    let document = RequestDocument::lazy(interaction, asker, keys.fold(Keys::NONE, Keys::with));
    let mut reasons = Reasons::default();
    for (id, policy) in concerned {
        if reasons.is_full() {
            reasons.left_out += 1;
            continue;
        }
        let barred = barred(policy, asker, interaction, guarded);
        let reason = match unasked(policy, barred, of, body) {
            Some(note) => Reason::noted(id, Verdict::NotSatisfied, note),
            None => asked(id, policy, (asker, of), &document).await,
        };
        reasons.list.push(reason);
    }
    for (id, issue) in policies.broken() {
        reasons.add_broken(id, &issue.diagnostics);
    }
    reasons
}

/// Why a policy's rule is not asked, if it is not.
fn unasked(
    policy: &Policy,
    barred: Option<Barred>,
    of: Option<ResourceType>,
    body: BodyKept,
) -> Option<String> {
    match barred {
        Some(Barred::LeavesOut(of)) => return Some(format!("its `rows` do not list `{of}`")),
        Some(Barred::HasRows) => {
            let note = "it is limited to `rows`, and figures of the whole server are none";
            return Some(note.to_owned());
        }
        Some(Barred::OutOfReach(of)) => {
            return Some(format!(
                "`{of}` is reached only by an `allow` that links the caller's own User or Client, \
                 or by a policy that names the type"
            ));
        }
        None => {}
    }
    let keys = policy.keys(of);
    let looks_at_body = keys.has("body") || keys.has("resource");
    (body == BodyKept::Dropped && looks_at_body)
        .then(|| "its rule looks at the body, which is not kept".to_owned())
}

/// What a policy's rule says, and what it gives.
async fn asked(
    id: &Id,
    policy: &Policy,
    (asker, of): (&Asker, Option<ResourceType>),
    document: &LazyDocument<'_>,
) -> Reason {
    let (verdict, failing) = policy.explain(document, asker.database.as_ref()).await;
    let holds = verdict == Verdict::Satisfied;
    let given = of.filter(|_| holds).map(|of| {
        let against = ReadAgainst { base_url: &asker.facts.base_url, now: asker.now };
        policy.given(of, document, against)
    });
    let (rows, note) = match given {
        None | Some(GivenRows::Everything) => (None, None),
        Some(GivenRows::Matching(criteria)) => (Some(conjunction_text(&criteria)), None),
        Some(GivenRows::Nothing) => {
            let note = "its `rows` need a value that the request does not have";
            (Some("nothing".to_owned()), Some(note.to_owned()))
        }
    };
    let failing = failing.filter(|_| !holds);
    Reason { policy: id.to_string(), verdict, failing, rows, note }
}

impl Reason {
    fn noted(policy: &Id, verdict: Verdict, note: String) -> Self {
        let policy = policy.to_string();
        Self { policy, verdict, failing: None, rows: None, note: Some(note) }
    }
}

impl Reasons {
    /// The verdicts alone, as a decision noted them.
    pub fn of_verdicts(considered: &[Considered]) -> Self {
        let list = considered.iter().map(|Considered { policy, verdict }| Reason {
            policy: policy.clone(),
            verdict: *verdict,
            failing: None,
            rows: None,
            note: None,
        });
        Self { list: list.collect(), left_out: 0 }
    }

    /// The same with the verdicts that the decision was made on: a rule that asks the database may
    /// say another thing a moment later.
    #[must_use]
    pub fn with_verdicts(mut self, considered: &[Considered]) -> Self {
        for told in considered {
            let is_full = self.is_full();
            match self.list.iter_mut().find(|reason| reason.policy == told.policy) {
                Some(reason) => reason.verdict = told.verdict,
                None if is_full => {}
                None => self.list.extend(Self::of_verdicts(std::slice::from_ref(told)).list),
            }
        }
        self
    }

    fn is_full(&self) -> bool {
        self.list.len() >= CONSIDERED_MAX
    }

    fn add_broken(&mut self, id: &Id, why: &str) {
        if self.is_full() {
            self.left_out += 1;
            return;
        }
        let note = format!("it cannot be read: {why}");
        self.list.push(Reason::noted(id, Verdict::Failed, note));
    }
}

/// What rules an interaction, in words.
pub fn ruled_by(interaction: &Interaction) -> &'static str {
    match rule(interaction) {
        Rule::Policies => "policies",
        Rule::PoliciesThatReach(_) => "policies that name the type",
        Rule::Nobody => "nobody may",
        Rule::EveryAuthenticatedCaller => "every authenticated caller may",
        Rule::Administrators => "administrators may",
    }
}
