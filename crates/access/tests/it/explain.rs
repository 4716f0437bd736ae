//! That explanations, and what shadow mode tells, follow what a decision goes by.

use std::sync::Arc;

use firewarden_access::{
    Asker, DenialReason, PolicySet, ShadowEffect, Verdict, explain, shadow_effects,
};
use serde_json::{Value, json};

use crate::cases::{NoDatabase, answer, caller, facts, interaction, now, policies};

const METRICS: &str = "GET /metrics";

fn asker() -> Asker {
    let caller = caller(&json!({"user": {"id": "u"}}));
    Asker { caller, facts: facts(METRICS), database: Arc::new(NoDatabase), now: now() }
}

/// A policy for every user, with more attributes.
fn policy(more: Value) -> Arc<PolicySet> {
    let mut policy = json!({"id": "p", "engine": "matcho", "matcho": {"user": "present?"}});
    policy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    policies(&json!([policy]))
}

#[test]
fn a_policy_with_rows_is_not_explained_to_grant_figures_of_the_whole_server() {
    let limited = policy(json!({"rows": {"Patient": "*"}}));
    let told = answer(explain(&limited, asker(), interaction(METRICS, None)));
    assert_eq!(told.refused, Some(DenialReason::NotGranted));
    let [reason] = &told.reasons.list[..] else { panic!("{told:?}") };
    assert_eq!(reason.verdict, Verdict::NotSatisfied);
    assert!(reason.note.as_ref().unwrap().contains("figures of the whole server"), "{reason:?}");

    let told = answer(explain(&policy(json!({})), asker(), interaction(METRICS, None)));
    assert_eq!((told.refused, told.granted_by), (None, vec!["p".to_owned()]));
    assert_eq!(told.reasons.list[0].verdict, Verdict::Satisfied);
}

#[test]
fn a_policy_with_rows_in_shadow_mode_would_not_allow_figures_of_the_whole_server() {
    let effects = |more: Value| {
        let mut more = more;
        more["mode"] = "shadow".into();
        let policies = policy(more);
        let asked = interaction(METRICS, None);
        let effects = answer(shadow_effects(&policies, &asker(), &asked, &[]));
        effects.into_iter().map(|(_, effect)| effect).collect::<Vec<_>>()
    };
    assert_eq!(effects(json!({"rows": {"Patient": "*"}})), []);
    assert_eq!(effects(json!({})), [ShadowEffect::Allows]);
}
