//! Why a request is allowed or refused: what each policy that concerns it says, and the rows.

use std::sync::Arc;

use firewarden_fhir::search::conjunction_text;
use firewarden_fhir::{Id, Interaction};
use serde_json::Value;

use crate::decide::{Rule, decide, rule};
use crate::document::{Keys, RequestDocument};
use crate::limits::{CONSIDERED_MAX, POLICIES_PER_DECISION_MAX};
use crate::policy::Policy;
use crate::{Asker, Considered, PolicySet, Reach, RowFilter, Verdict};

/// What one policy says of a request, and why it does not grant it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// The policy's id.
    pub policy: String,
    /// What it says.
    pub verdict: Verdict,
    /// Where its rule first fails, as its engine tells it: `path`, `expected`, `but`.
    pub failing: Option<Value>,
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
    /// Whether it is allowed.
    pub allowed: bool,
    /// What rules such requests, in words.
    pub ruled_by: &'static str,
    /// The policies that grant it.
    pub granted_by: Vec<String>,
    /// The rows of the type asked for that it may touch, as [`rows_text`] writes them; `None` where
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
                Some(of) => Some(rows_text(&permitted.rows(of).await)),
                None => None,
            };
            let granted_by = permitted.granted_by().to_vec();
            Explanation { allowed: true, ruled_by, granted_by, rows, reasons }
        }
        Err(denial) => {
            let reasons = reasons.with_verdicts(&denial.considered);
            Explanation { allowed: false, ruled_by, granted_by: Vec::new(), rows: None, reasons }
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
    let (caller, now) = (asker.caller.as_ref(), asker.now);
    let concerned: Vec<&(Id, Policy)> = policies
        .applying(caller, interaction.operation_id(), now)
        .take(POLICIES_PER_DECISION_MAX)
        .collect();
    let keys = concerned.iter().map(|(_, policy)| policy.engine.keys());
    let keys = keys.fold(Keys::NONE, Keys::with);
    let document = RequestDocument::lazy(interaction, asker, keys);
    let mut reasons = Reasons::default();
    for (id, policy) in concerned {
        if reasons.is_full() {
            reasons.left_out += 1;
            continue;
        }
        let unasked = |note: String| (Verdict::NotSatisfied, None, Some(note));
        let keys = policy.engine.keys();
        let looks_at_body = keys.has("body") || keys.has("resource");
        let (verdict, failing, note) = match guarded {
            Some(of) if !policy.reaches(of, caller, now) => unasked(format!(
                "`{of}` is reached only by an `allow` that links the caller's own User or Client, \
                 or by a rule that names the type"
            )),
            _ if body == BodyKept::Dropped && looks_at_body => {
                unasked("its rule looks at the body, which is not kept".to_owned())
            }
            _ => {
                let (verdict, failing) = policy.explain(&document, asker.database.as_ref()).await;
                (verdict, failing.filter(|_| verdict != Verdict::Satisfied), None)
            }
        };
        reasons.list.push(Reason { policy: id.to_string(), verdict, failing, note });
    }
    for (id, issue) in policies.broken() {
        reasons.add_broken(id, &issue.diagnostics);
    }
    reasons
}

impl Reasons {
    /// The verdicts alone, as a decision noted them.
    pub fn of_verdicts(considered: &[Considered]) -> Self {
        let list = considered.iter().map(|Considered { policy, verdict }| Reason {
            policy: policy.clone(),
            verdict: *verdict,
            failing: None,
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
        let note = Some(format!("it cannot be read: {why}"));
        let verdict = Verdict::Failed;
        self.list.push(Reason { policy: id.to_string(), verdict, failing: None, note });
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

/// The rows in one text: `*` for every row, `none`, or the criteria that they meet.
pub fn rows_text(rows: &RowFilter) -> String {
    match rows.reach() {
        Reach::Nothing => "none".to_owned(),
        Reach::Some(criteria) => conjunction_text(criteria),
        Reach::Everything => "*".to_owned(),
    }
}
