//! One request, from its credential to its answer: the architecture on one screen.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use firewarden_access::{
    Asker, Caller, Denial, DenialReason, Permitted, PolicyDatabase, RequestFacts, decide, explain,
};
use firewarden_fhir::request::{NotServed, Routed};
use firewarden_fhir::search::SearchQuery;
use firewarden_fhir::{Interaction, SearchForm, Timestamp};
use firewarden_identity::{Credentials, Unauthenticated};
use firewarden_interactions::bundle::{
    BundleEntry, BundleKind, BundleRequest, EntryDefect, first_matches, perform_transaction,
};
use firewarden_interactions::limits::BUNDLE_ANSWER_BYTES_MAX;
use firewarden_interactions::{Failure, Outcome, perform};
use futures_util::{StreamExt, stream};

use crate::app::App;
use crate::arrival::RequestId;
use crate::attempts::Attempt;
use crate::audit::AuditRecord;
use crate::configuration::Snapshot;
use crate::dev_mode::{self, Besides};
use crate::explanation;
use crate::failure::Refusal;
use crate::own_types::Force;
use crate::route::{self, Asked};
use crate::traces::{Decided, Line};
use crate::{endpoints, limits, shadow};

/// What a request is answered with.
pub(crate) enum Answer {
    /// Of one interaction.
    One(Outcome),
    /// Of a Bundle's entries, in their order.
    Bundle(BundleKind, Vec<Result<Outcome, Refusal>>),
    /// The metrics.
    Metrics(String),
}

/// One moment of the server, that a whole request is decided and performed in.
#[derive(Clone)]
pub(crate) struct Moment<'a> {
    pub(crate) app: &'a App,
    pub(crate) credentials: &'a Credentials<'a>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) facts: Arc<RequestFacts>,
    /// What an administrator asked for besides.
    besides: Besides,
    /// Whether policies are saved whatever their tests say.
    force: Force,
    /// What the rules of policies ask, within the request's budget of time.
    pub(crate) database: Arc<dyn PolicyDatabase>,
    pub(crate) now: Timestamp,
}

impl Moment<'_> {
    /// The same moment for an entry of a Bundle.
    fn of_entry(&self, query: Option<&str>) -> Self {
        Self { facts: self.facts.of_entry(query), ..self.clone() }
    }

    fn asker(&self) -> Asker {
        let (caller, facts) = (Arc::clone(&self.caller), Arc::clone(&self.facts));
        Asker { caller, facts, database: Arc::clone(&self.database), now: self.now }
    }

    /// This moment, or a later one when the policies, or what they know of callers, have changed.
    async fn renewed(self, audit: &mut AuditRecord) -> Result<Self, Refusal> {
        let snapshot = self.app.configuration.current().await.map_err(Failure::from)?;
        if snapshot.policies.version() == self.snapshot.policies.version() {
            return Ok(self);
        }
        let now = crate::app::now();
        let caller = authenticate(self.app, self.credentials, &self.facts, now, audit).await?;
        let caller = self.besides.caller(self.app, &snapshot, caller, now).await?;
        Ok(Self { snapshot, caller, now, ..self })
    }
}

/// Serves a request: who asks, what is asked, may it be, do it. A write that was decided on
/// policies which changed meanwhile is decided again from the start.
pub(crate) async fn serve(
    app: &App,
    credentials: &Credentials<'_>,
    facts: &Arc<RequestFacts>,
    asked: impl Fn(Timestamp, Option<&str>) -> Result<Asked, Refusal>,
    audit: &mut AuditRecord,
) -> Result<Answer, Refusal> {
    // Its budget of time is the request's, however often it is decided.
    let database = app.store.policy_database();
    for _ in 0..limits::DECISIONS_MAX {
        let now = crate::app::now();
        let snapshot = app.configuration.current().await.map_err(Failure::from)?;
        let caller = authenticate(app, credentials, facts, now, audit).await?;
        let (besides, facts) = dev_mode::besides(app, &snapshot, &caller, facts, now);
        let caller = besides.caller(app, &snapshot, caller, now).await?;
        besides.note(audit);
        let asked = asked(now, facts.query_string.as_deref())
            .map_err(|refusal| hide_from_anonymous(&caller, refusal))?;
        let database = Arc::clone(&database);
        let force = route::force(facts.query_string.as_deref());
        let moment =
            Moment { app, credentials, snapshot, caller, facts, besides, force, database, now };
        let answer = match asked {
            asked if moment.besides.explain => Ok(explained(&moment, asked, audit).await),
            Asked::One(routed) if routed.interaction == Interaction::Metrics => {
                metrics(&moment, *routed, audit).await.map(Answer::Metrics)
            }
            Asked::One(routed) => one(&moment, *routed, audit).await.map(Answer::One),
            Asked::Bundle(bundle) => {
                audit.operation(match bundle.kind {
                    BundleKind::Batch => "Batch",
                    BundleKind::Transaction => "Transaction",
                });
                entries(&moment, bundle, audit).await
            }
        };
        match answer {
            Err(Refusal::Failed(Failure::StaleDecision)) => {}
            answer => return answer,
        }
    }
    Err(Refusal::Failed(Failure::StaleDecision))
}

/// Who asks. A credential that is not accepted is never taken for none.
pub(crate) async fn authenticate(
    app: &App,
    credentials: &Credentials<'_>,
    facts: &RequestFacts,
    now: Timestamp,
    audit: &mut AuditRecord,
) -> Result<Arc<Caller>, Refusal> {
    let attempt = Attempt::of(credentials, facts.remote_address, now);
    let is_known = |token: &str| app.identity.needs_no_signature_of(token);
    attempt.may_be_made(&app.attempts, is_known).map_err(|wait| {
        audit.too_many();
        Refusal::TooManyAttempts(wait)
    })?;
    let caller = app.identity.authenticate(credentials, &app.directory, now).await;
    attempt.note(&app.attempts, &caller);
    let caller = caller.map_err(|why: Unauthenticated| {
        audit.unauthenticated(&why);
        Refusal::Unauthenticated(why)
    })?;
    audit.caller(&caller);
    Ok(Arc::new(caller))
}

/// Who gave no credential is told to give one, whatever else is wrong.
fn hide_from_anonymous(caller: &Caller, refusal: Refusal) -> Refusal {
    if caller.is_anonymous() { Refusal::CredentialNeeded } else { refusal }
}

/// The explanation of a decision in the place of its answer: nothing is done.
async fn explained(moment: &Moment<'_>, asked: Asked, audit: &mut AuditRecord) -> Answer {
    let told = match asked {
        Asked::One(routed) => {
            audit.interaction(&routed.interaction);
            one_explained(moment, *routed).await
        }
        Asked::Bundle(bundle) => {
            let mut entries = Vec::new();
            for entry in bundle.entries.into_iter().take(limits::TRACED_ENTRIES_MAX) {
                entries.push(match entry {
                    Ok(BundleEntry { routed, query }) => {
                        one_explained(&moment.of_entry(query.as_deref()), routed).await
                    }
                    Err(defect) => refusal_of(defect).told().outcome,
                });
            }
            serde_json::json!({"entries": entries})
        }
    };
    audit.explained();
    Answer::One(Outcome::Made(told.to_string()))
}

async fn one_explained(moment: &Moment<'_>, routed: Routed) -> serde_json::Value {
    let Routed { interaction, defect } = routed;
    let line = Line::of(&interaction);
    let explanation = explain(&moment.snapshot.policies, moment.asker(), interaction).await;
    explanation::of_request(&line, &moment.caller, &explanation, defect.as_ref())
}

/// Decides and performs one interaction.
async fn one(
    moment: &Moment<'_>,
    routed: Routed,
    audit: &mut AuditRecord,
) -> Result<Outcome, Refusal> {
    let (permitted, defect) = permit(moment, routed, audit).await?;
    match defect {
        Some(defect) => Err(Refusal::BadRequest(defect)),
        None => act(moment, permitted).await,
    }
}

/// Decides whether the metrics are told, and writes them.
async fn metrics(
    moment: &Moment<'_>,
    routed: Routed,
    audit: &mut AuditRecord,
) -> Result<String, Refusal> {
    permit(moment, routed, audit).await?;
    Ok(endpoints::metrics(moment).await)
}

/// Decides one interaction. What is wrong with the request is told only to who may do it.
async fn permit(
    moment: &Moment<'_>,
    routed: Routed,
    audit: &mut AuditRecord,
) -> Result<(Permitted, Option<firewarden_fhir::Issue>), Refusal> {
    let Routed { interaction, defect } = routed;
    audit.interaction(&interaction);
    let (snapshot, asker) = (&moment.snapshot, moment.asker());
    let (line, on) = (Line::of(&interaction), snapshot.decided_on());
    moment.app.traces.decided_on(snapshot.policy_contents, &snapshot.policies);
    let (request, entry) = audit.place();
    match decided(moment, interaction).await {
        Ok(permitted) => {
            audit.permitted(&permitted);
            if snapshot.policies.shadow_may_refuse(permitted.granted_by()) {
                let granted_by = permitted.granted_by().to_vec();
                shadow(moment, permitted.interaction().clone(), granted_by, request);
            }
            let decided = Decided::allowed(line, &asker, on, &permitted).await;
            moment.app.traces.keep(request, entry, decided);
            Ok((permitted, defect))
        }
        Err(denial) => {
            audit.denied(&denial);
            if !snapshot.policies.shadows().is_empty() {
                shadow(moment, Interaction::clone(&denial.interaction), Vec::new(), request);
            }
            let on = (on, snapshot.policies.as_ref());
            let decided = Decided::refused(line, &asker, on, &denial).await;
            moment.app.traces.keep(request, entry, decided);
            Err(match (denial.reason, denial.anonymous) {
                (DenialReason::TooManyPolicies, _) => Refusal::TooManyPolicies,
                (DenialReason::NotGranted | DenialReason::InsufficientScope, true) => {
                    Refusal::CredentialNeeded
                }
                (DenialReason::NotGranted, false) => Refusal::Forbidden,
                (DenialReason::InsufficientScope, false) => Refusal::InsufficientScope,
            })
        }
    }
}

/// Lets policies in shadow mode be asked about what was decided, beside the request.
fn shadow(
    moment: &Moment<'_>,
    interaction: Interaction,
    granted_by: Vec<String>,
    request: RequestId,
) {
    let asker = Asker { database: moment.app.store.policy_database(), ..moment.asker() };
    let policies = Arc::clone(&moment.snapshot.policies);
    let decided = shadow::Decided { policies, asker, interaction, granted_by, request };
    moment.app.shadow.watch(decided);
}

async fn decided(moment: &Moment<'_>, interaction: Interaction) -> Result<Permitted, Denial> {
    decide(&moment.snapshot.policies, moment.asker(), interaction).await
}

/// Performs what was granted.
async fn act(moment: &Moment<'_>, permitted: Permitted) -> Result<Outcome, Refusal> {
    match permitted.interaction() {
        Interaction::UserInfo => return Ok(endpoints::userinfo(&moment.caller)),
        Interaction::TestPolicy(request) => return endpoints::test_policy(moment, request).await,
        Interaction::TestMatcho(sent) => return endpoints::test_matcho(sent),
        Interaction::TestToken(token) => return Ok(endpoints::test_token(moment, token).await),
        Interaction::Explain(asked) => return endpoints::explain(moment, asked).await,
        Interaction::Jobs(asked) => return endpoints::jobs(moment, asked).await,
        Interaction::HealthDetails => return Ok(endpoints::health_details(moment).await),
        Interaction::Metrics
        | Interaction::Read(_)
        | Interaction::Vread(..)
        | Interaction::Search(..)
        | Interaction::CompartmentSearch(..)
        | Interaction::Create(_)
        | Interaction::ConditionalCreate(..)
        | Interaction::Update(..)
        | Interaction::ConditionalUpdate(..)
        | Interaction::Delete(..)
        | Interaction::ConditionalDelete(_)
        | Interaction::HistoryInstance(..)
        | Interaction::HistoryType(..)
        | Interaction::HistorySystem(_) => {}
    }
    let own_rules = moment.app.own_rules(&moment.snapshot, moment.now, moment.force);
    let caller = identity_of(&moment.caller);
    let ports = moment.app.ports(&own_rules, &caller, moment.now);
    Ok(perform(ports, permitted).await?)
}

/// The entries of a Bundle, each decided as if it came alone.
async fn entries(
    moment: &Moment<'_>,
    bundle: BundleRequest,
    audit: &mut AuditRecord,
) -> Result<Answer, Refusal> {
    let kind = bundle.kind;
    match kind {
        BundleKind::Transaction => {
            let outcomes = transaction(moment, resolved(moment, bundle).await?, audit).await?;
            Ok(Answer::Bundle(kind, outcomes))
        }
        BundleKind::Batch => {
            let answers = batch(moment, bundle.entries, audit).await;
            let allowed = |answer: &Result<Outcome, Refusal>| {
                !matches!(
                    answer,
                    Err(Refusal::CredentialNeeded
                        | Refusal::Forbidden
                        | Refusal::InsufficientScope
                        | Refusal::TooManyPolicies)
                )
            };
            if moment.caller.is_anonymous() && !answers.iter().any(allowed) {
                return Err(Refusal::CredentialNeeded);
            }
            Ok(Answer::Bundle(kind, answers))
        }
    }
}

/// The entries of a transaction, with what they refer to by criteria: found as far as the caller
/// would be granted a plain search of the type, and otherwise as if nothing matched.
async fn resolved(
    moment: &Moment<'_>,
    mut bundle: BundleRequest,
) -> Result<Vec<Result<BundleEntry, EntryDefect>>, Refusal> {
    let mut found = Vec::new();
    for sought in std::mem::take(&mut bundle.sought) {
        let all = SearchQuery::all(sought.query.resource_type);
        let implied = Interaction::Search(all, SearchForm::Get);
        let targets = match decided(&moment.of_entry(None), implied).await {
            Ok(permitted) => first_matches(&moment.app.store, permitted, &sought.query).await?,
            Err(_) => Vec::new(),
        };
        found.push((sought, targets));
    }
    bundle.resolve(found);
    Ok(bundle.entries)
}

/// A transaction with one denied entry is refused whole, and nothing else of it is told.
async fn transaction(
    moment: &Moment<'_>,
    entries: Vec<Result<BundleEntry, EntryDefect>>,
    audit: &AuditRecord,
) -> Result<Vec<Result<Outcome, Refusal>>, Refusal> {
    let mut permitted = Vec::with_capacity(entries.len());
    let mut first_defect = None;
    for (index, entry) in entries.into_iter().enumerate() {
        tokio::task::yield_now().await;
        match entry {
            Ok(BundleEntry { routed, query }) => {
                let mut audit = audit.of_entry(index);
                let decided = permit(&moment.of_entry(query.as_deref()), routed, &mut audit).await;
                audit.entry_event(&moment.app.meters);
                let (permit, defect) = decided?;
                permitted.push(permit);
                first_defect = first_defect.or(defect.map(Refusal::BadRequest));
            }
            Err(defect) => first_defect = first_defect.or(Some(refusal_of(defect))),
        }
    }
    if moment.caller.is_anonymous() && permitted.is_empty() {
        return Err(Refusal::CredentialNeeded);
    }
    if let Some(defect) = first_defect {
        return Err(defect);
    }
    let own_rules = moment.app.own_rules(&moment.snapshot, moment.now, moment.force);
    let caller = identity_of(&moment.caller);
    let ports = moment.app.ports(&own_rules, &caller, moment.now);
    let outcomes = perform_transaction(ports, permitted).await?;
    Ok(outcomes.into_iter().map(|outcome| outcome.map_err(Refusal::Failed)).collect())
}

/// The entries of a batch, several at a time, each decided on the policies of its own moment: a
/// long batch does not outlive a right that was taken away.
async fn batch(
    moment: &Moment<'_>,
    entries: Vec<Result<BundleEntry, EntryDefect>>,
    audit: &AuditRecord,
) -> Vec<Result<Outcome, Refusal>> {
    let answered = &AtomicUsize::new(0);
    let one_entry = |(index, entry): (usize, Result<BundleEntry, EntryDefect>)| async move {
        // Thousands of refusals await nothing: other requests, and this one's time-out, get a turn.
        tokio::task::yield_now().await;
        let mut audit = audit.of_entry(index);
        let answer = match entry {
            Ok(_) if answered.load(Ordering::Relaxed) >= BUNDLE_ANSWER_BYTES_MAX => {
                Err(Refusal::Failed(Failure::AnswerTooLarge))
            }
            Ok(BundleEntry { routed, query }) => {
                let moment = moment.of_entry(query.as_deref());
                again_when_stale(moment, routed, &mut audit).await
            }
            Err(defect) => Err(refusal_of(defect)),
        };
        audit.entry_event(&moment.app.meters);
        let bytes = answer.as_ref().map_or(0, Outcome::body_bytes);
        answered.fetch_add(bytes, Ordering::Relaxed);
        answer
    };
    stream::iter(entries.into_iter().enumerate().map(one_entry))
        .buffered(limits::BATCH_ENTRIES_AT_ONCE)
        .collect()
        .await
}

/// Decides and performs an entry of a batch, and alone once more for as long as its decision has
/// gone stale; the others stand.
async fn again_when_stale(
    mut moment: Moment<'_>,
    routed: Routed,
    audit: &mut AuditRecord,
) -> Result<Outcome, Refusal> {
    for _ in 0..limits::DECISIONS_MAX {
        moment = moment.renewed(audit).await?;
        let again =
            Routed { interaction: routed.interaction.clone(), defect: routed.defect.clone() };
        match one(&moment, again, audit).await {
            Err(Refusal::Failed(Failure::StaleDecision)) => {}
            answer => return answer,
        }
    }
    Err(Refusal::Failed(Failure::StaleDecision))
}

fn refusal_of(defect: EntryDefect) -> Refusal {
    match defect {
        EntryDefect::Malformed(issue) => Refusal::BadRequest(issue),
        EntryDefect::NotServed(NotServed::Method) => Refusal::NotServed(NotServed::Method),
        EntryDefect::NotServed(not_served) => Refusal::NotServed(not_served),
    }
}

/// A text that no other caller has, for what is bound to a caller.
fn identity_of(caller: &Caller) -> String {
    let id = |resource: &Option<Arc<serde_json::Map<String, serde_json::Value>>>| {
        resource.as_ref().and_then(|resource| resource.get("id")).map(ToString::to_string)
    };
    let claims = caller.jwt.as_ref().or(caller.token.as_ref());
    let claim = |name: &str| claims.and_then(|claims| claims.get(name)).map(ToString::to_string);
    let introspector = caller.session.introspector.as_ref().map(ToString::to_string);
    let parts = [
        introspector,
        caller.session.issuer.clone(),
        claim("sub"),
        claim("client_id"),
        id(&caller.user),
        id(&caller.client),
    ];
    serde_json::Value::from_iter(parts.map(serde_json::Value::from)).to_string()
}
