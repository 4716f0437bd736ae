//! One doubt about a policy.

use firewarden_fhir::Issue;
use firewarden_fhir::limits::ISSUES_MAX;

use crate::element_path::ElementPath;

/// What a doubt is about. Each has a row in docs/access-policies.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LintRule {
    /// The rule holds for every request.
    AlwaysTrue,
    /// A `$not` that also holds where there is nothing.
    BareNot,
    /// A chain or `_has` of a type that needs a grant of its own.
    ChainWithoutGrant,
    /// A rule that names `_include` or `_revinclude`, whose types need grants of their own.
    IncludeWithoutGrant,
    /// A keyword where a member is named.
    MisplacedKeyword,
    /// No request is as the rule asks.
    NeverHolds,
    /// A member that is checked only where it is there.
    NotRequired,
    /// `$one-of` beside other keys.
    OneOfSiblings,
    /// A rule on parameters that leaves `_include` open.
    OpenInclude,
    /// A rule that speaks of one of our own types and does not reach it.
    OwnTypeOutOfReach,
    /// A rule that names an own type that rights are made of, and no method.
    OwnTypeWritable,
    /// An attribute of the policy besides its rule, or a doubt of the rule's own engine.
    Policy,
    /// An expression on `uri` that other paths match.
    UnanchoredUri,
    /// A `.path` that may lead to nothing.
    UnguardedPath,
    /// An `iss` that no introspector trusts.
    UnknownIssuer,
}

impl LintRule {
    /// Its name, as warnings tell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AlwaysTrue => "always-true",
            Self::BareNot => "bare-not",
            Self::ChainWithoutGrant => "chain-without-grant",
            Self::IncludeWithoutGrant => "include-without-grant",
            Self::MisplacedKeyword => "misplaced-keyword",
            Self::NeverHolds => "never-holds",
            Self::NotRequired => "not-required",
            Self::OneOfSiblings => "one-of-siblings",
            Self::OpenInclude => "open-include",
            Self::OwnTypeOutOfReach => "own-type-out-of-reach",
            Self::OwnTypeWritable => "own-type-writable",
            Self::Policy => "policy",
            Self::UnanchoredUri => "unanchored-uri",
            Self::UnguardedPath => "unguarded-path",
            Self::UnknownIssuer => "unknown-issuer",
        }
    }
}

/// One doubt about a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub rule: LintRule,
    /// Where in the policy, as a FHIRPath: `AccessPolicy.matcho.uri`.
    pub place: String,
    /// What is doubted.
    pub told: String,
    /// A request that shows it.
    pub example: Option<String>,
    /// How to mend it.
    pub remedy: Option<String>,
}

impl Finding {
    pub(crate) fn new(rule: LintRule, at: &ElementPath, told: impl Into<String>) -> Self {
        Self { rule, place: at.to_string(), told: told.into(), example: None, remedy: None }
    }

    /// A doubt that was told as an issue.
    pub(crate) fn of_issue(issue: &Issue) -> Self {
        Self {
            rule: LintRule::Policy,
            place: issue.expression.clone().unwrap_or_default(),
            told: issue.diagnostics.clone(),
            example: None,
            remedy: None,
        }
    }

    /// The same, with a request that shows it.
    #[must_use]
    pub(crate) fn example(self, example: impl Into<String>) -> Self {
        Self { example: Some(example.into()), ..self }
    }

    /// The same, with how to mend it.
    #[must_use]
    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// The warning of a save.
    pub fn to_issue(&self) -> Issue {
        let mut told = self.told.clone();
        if self.rule != LintRule::Policy {
            told = format!("{}: {told}", self.rule.name());
        }
        for (word, part) in [("for example: ", &self.example), ("", &self.remedy)] {
            if let Some(part) = part {
                told.push_str("; ");
                told.push_str(word);
                told.push_str(part);
            }
        }
        Issue::warning("business-rule", told).at(self.place.clone())
    }
}

/// Findings, up to the number that is told.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    pub(crate) fn add(&mut self, finding: Finding) {
        if self.0.len() < ISSUES_MAX && !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }

    pub(crate) fn list(self) -> Vec<Finding> {
        self.0
    }
}
