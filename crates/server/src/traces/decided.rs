//! One decision as it is kept: what was asked, by whom, and what the policies said.

use std::sync::Arc;

use firewarden_access::{
    Asker, BodyKept, Caller, Considered, Denial, DenialReason, Permitted, PolicyDatabase,
    PolicySet, Reach, Reasons, RequestFacts, RowFilter, reasons, ruled_by,
};
use firewarden_fhir::{Explain, Interaction, Resource, ResourceType, SentToken, Timestamp};
use serde_json::{Map, Value};

use crate::explanation::{Told, json_bytes, masked};
use crate::limits;

/// What was asked for, without its body.
#[derive(Clone)]
pub(crate) struct Line {
    interaction: Interaction,
}

impl Line {
    /// What an interaction asks for. Nothing of a body is taken, and no token that was sent.
    pub(crate) fn of(interaction: &Interaction) -> Self {
        let bare = |resource: &Resource| Resource {
            resource_type: resource.resource_type,
            content: Map::new(),
        };
        let interaction = match interaction {
            Interaction::Create(resource) => Interaction::Create(bare(resource)),
            Interaction::ConditionalCreate(condition, resource) => {
                Interaction::ConditionalCreate(condition.clone(), bare(resource))
            }
            Interaction::Update(target, resource, if_match) => {
                Interaction::Update(target.clone(), bare(resource), *if_match)
            }
            Interaction::ConditionalUpdate(condition, resource, if_match) => {
                Interaction::ConditionalUpdate(condition.clone(), bare(resource), *if_match)
            }
            Interaction::TestPolicy(_) => Interaction::TestPolicy(Value::Null),
            Interaction::TestMatcho(_) => Interaction::TestMatcho(Value::Null),
            Interaction::TestToken(_) => Interaction::TestToken(SentToken::new(String::new())),
            Interaction::Explain(Explain::Request(_)) => {
                Interaction::Explain(Explain::Request(Value::Null))
            }
            Interaction::Explain(Explain::PolicyTests(_)) => {
                Interaction::Explain(Explain::PolicyTests(Value::Null))
            }
            Interaction::Read(_)
            | Interaction::Vread(..)
            | Interaction::Search(..)
            | Interaction::CompartmentSearch(..)
            | Interaction::Delete(..)
            | Interaction::ConditionalDelete(_)
            | Interaction::HistoryInstance(..)
            | Interaction::HistoryType(..)
            | Interaction::HistorySystem(_)
            | Interaction::UserInfo
            | Interaction::Explain(Explain::Decision(_) | Explain::Shadow)
            | Interaction::Jobs(_)
            | Interaction::HealthDetails
            | Interaction::Metrics => interaction.clone(),
        };
        Self { interaction }
    }

    /// What is asked for, with nothing in the place of the body.
    pub(crate) fn interaction(&self) -> &Interaction {
        &self.interaction
    }

    /// The type that is asked for.
    pub(crate) fn resource_type(&self) -> Option<ResourceType> {
        self.interaction.resource_type()
    }

    fn body(&self) -> BodyKept {
        match self.interaction.resource() {
            Some(_) => BodyKept::Dropped,
            None => BodyKept::Whole,
        }
    }
}

/// One decision.
pub(crate) struct Decided {
    line: Line,
    caller: Arc<Caller>,
    facts: Arc<RequestFacts>,
    now: Timestamp,
    policies: u64,
    policy_version: u64,
    outcome: Decision,
}

enum Decision {
    Allowed {
        granted_by: Vec<String>,
        rows: Option<RowFilter>,
    },
    /// With the reasons, where they were asked for at once.
    Refused {
        why: DenialReason,
        considered: Vec<Considered>,
        reasons: Option<Reasons>,
    },
}

impl Decided {
    /// That it was allowed.
    pub(crate) async fn allowed(
        line: Line,
        asker: &Asker,
        on: (u64, u64),
        permitted: &Permitted,
    ) -> Self {
        let rows = match line.resource_type() {
            Some(of) => Some(permitted.rows(of).await),
            None => None,
        };
        let granted_by = permitted.granted_by().to_vec();
        Self::new(line, asker, on, Decision::Allowed { granted_by, rows })
    }

    /// That it was refused. Rules that look at the body are asked why now, while it is there; the
    /// others when somebody wants to know.
    pub(crate) async fn refused(
        line: Line,
        asker: &Asker,
        (on, policies): ((u64, u64), &PolicySet),
        denial: &Denial,
    ) -> Self {
        let reasons = match line.body() {
            BodyKept::Whole => None,
            BodyKept::Dropped => {
                Some(reasons(policies, asker, &denial.interaction, BodyKept::Whole).await)
            }
        };
        let considered = denial.considered.clone();
        let why = denial.reason;
        Self::new(line, asker, on, Decision::Refused { why, considered, reasons })
    }

    fn new(
        line: Line,
        asker: &Asker,
        (policies, policy_version): (u64, u64),
        outcome: Decision,
    ) -> Self {
        Self {
            line,
            caller: Arc::clone(&asker.caller),
            facts: Arc::clone(&asker.facts),
            now: asker.now,
            policies,
            policy_version,
            outcome,
        }
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.caller.is_anonymous()
    }

    /// The contents of the policies that it was made on.
    pub(crate) fn policies(&self) -> u64 {
        self.policies
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let pairs = |pairs: &[(String, String)]| -> usize {
            pairs.iter().map(|(name, value)| name.len() + value.len() + 48).sum()
        };
        let resource = |content: &Arc<Map<String, Value>>| json_bytes(content);
        let caller = &self.caller;
        let resources = [&caller.user, &caller.client, &caller.jwt, &caller.token];
        limits::TRACE_BYTES
            + pairs(&self.facts.headers)
            // What a search came with stands in its parameters and, read, in its criteria.
            + 4 * pairs(self.line.interaction.parameters())
            + self.facts.query_string.as_ref().map_or(0, String::len)
            + resources.into_iter().flatten().map(resource).sum::<usize>()
            + caller.roles.iter().map(resource).sum::<usize>()
            + match &self.outcome {
                Decision::Allowed { granted_by, rows } => {
                    let criteria = match rows.as_ref().map(RowFilter::reach) {
                        Some(Reach::Some(criteria)) => criteria.len(),
                        Some(Reach::Nothing | Reach::Everything) | None => 0,
                    };
                    granted_by.len() * 64 + criteria * limits::TRACE_BYTES
                }
                Decision::Refused { considered, reasons, .. } => {
                    let reasons = reasons.as_ref().map_or(0, |reasons| reasons.list.len());
                    considered.len() * 64 + reasons * limits::TRACE_BYTES
                }
            }
    }

    /// The decision in JSON: nothing of a body, and no header's value but a few.
    pub(crate) async fn told(
        &self,
        policies: Option<&PolicySet>,
        database: &Arc<dyn PolicyDatabase>,
    ) -> Map<String, Value> {
        let (refused, granted_by, rows, considered, told) = match &self.outcome {
            Decision::Allowed { granted_by, rows } => {
                (None, granted_by.as_slice(), rows.as_ref(), &[][..], None)
            }
            Decision::Refused { why, considered, reasons } => {
                (Some(*why), &[][..], None, considered.as_slice(), reasons.clone())
            }
        };
        let reasons = match told {
            Some(told) => Some(told),
            None => self.asked_now(policies, database).await,
        };
        let is_known = reasons.is_some();
        let told = Told {
            interaction: &self.line.interaction,
            caller: &self.caller,
            refused,
            ruled_by: ruled_by(&self.line.interaction),
            granted_by,
            rows: rows.map(ToString::to_string),
            reasons: reasons.unwrap_or_default().with_verdicts(considered),
        };
        let mut told = told.to_json();
        if let Some(considered) = told.get_mut("considered") {
            masked(considered);
        }
        if !is_known {
            let note = "the policies have changed too often since to say more";
            told.insert("note".to_owned(), note.into());
        }
        told.insert("policy-version".to_owned(), self.policy_version.into());
        told.insert("at".to_owned(), self.now.to_string().into());
        told
    }

    /// What the policies of the decision say, asked now.
    async fn asked_now(
        &self,
        policies: Option<&PolicySet>,
        database: &Arc<dyn PolicyDatabase>,
    ) -> Option<Reasons> {
        let asker = Asker {
            caller: Arc::clone(&self.caller),
            facts: Arc::clone(&self.facts),
            database: Arc::clone(database),
            now: self.now,
        };
        Some(reasons(policies?, &asker, &self.line.interaction, self.line.body()).await)
    }
}
