//! Rules on search parameters that reach other types than the one that is searched.

use std::collections::BTreeSet;

use firewarden_fhir::{Definitions, ResourceType};
use serde_json::{Map, Value};

use super::{Ask, Fact, Finding, Findings, LintRule};

/// Tells of types that a rule reaches by an include, a chain or `_has`, and of includes that it
/// leaves open.
pub(super) fn look(facts: &[Fact], policy: &Map<String, Value>, findings: &mut Findings) {
    let parameters: Vec<(&str, &Fact)> = facts
        .iter()
        .filter(|fact| !fact.is_negated)
        .filter_map(|fact| match fact.place().as_slice() {
            ["params", _, ..] => fact.steps.get(1).map(|name| (name.as_str(), fact)),
            _ => None,
        })
        .collect();
    let searched: Vec<ResourceType> = facts.iter().filter_map(searched).collect();
    let rows = policy.get("rows");
    let granted = |of: &ResourceType| rows.is_some_and(|rows| rows.get(of.name()).is_some());
    let asked = parameters.iter().filter(|(_, fact)| fact.ask != Ask::Absent);
    let names: BTreeSet<&str> = asked.clone().map(|(name, _)| *name).collect();
    for name in names {
        let of_name: Vec<&Fact> =
            asked.clone().filter(|(of, _)| *of == name).map(|(_, fact)| *fact).collect();
        let (rule, types) = match Use::of(name) {
            Use::Include => (
                LintRule::IncludeWithoutGrant,
                of_name.iter().flat_map(|fact| included(fact)).collect(),
            ),
            Use::Chain => (LintRule::ChainWithoutGrant, chained(name, &searched)),
            Use::Plain => continue,
        };
        let is_told = !types.is_empty() || rule == LintRule::IncludeWithoutGrant;
        let missing: BTreeSet<ResourceType> =
            types.iter().copied().filter(|of| !granted(of)).collect();
        if let Some(fact) =
            of_name.first().filter(|_| is_told && (types.is_empty() || !missing.is_empty()))
        {
            let of = searched.first().map_or("Observation", |of| of.name());
            findings.add(without_grant(rule, &format!("GET /fhir/{of}?{name}="), fact, &missing));
        }
    }
    open_include(&parameters, &searched, findings);
}

/// What a parameter's name does.
enum Use {
    Include,
    Chain,
    Plain,
}

impl Use {
    fn of(name: &str) -> Self {
        match name.split(':').next() {
            Some("_include" | "_revinclude") => Self::Include,
            Some("_has") => Self::Chain,
            _ if name.contains('.') => Self::Chain,
            _ => Self::Plain,
        }
    }
}

/// The type that a fact says is searched.
fn searched(fact: &Fact) -> Option<ResourceType> {
    let Ask::Text(text) = &fact.ask else { return None };
    match fact.place().as_slice() {
        ["params", "resource/type"] => ResourceType::parse(text),
        ["uri"] => ResourceType::parse(text.strip_prefix("/fhir/")?.split('/').next()?),
        _ => None,
    }
}

/// The types that an include of this value brings: `Observation:subject:Patient`.
fn included(fact: &Fact) -> Vec<ResourceType> {
    let Ask::Text(text) = &fact.ask else { return Vec::new() };
    let mut parts = text.split(':');
    let source = parts.next().and_then(ResourceType::parse);
    let (code, target) = (parts.next().unwrap_or_default(), parts.next());
    let is_reverse = fact.steps.get(1).is_some_and(|name| name.starts_with("_revinclude"));
    match (source, target.and_then(ResourceType::parse)) {
        (Some(source), _) if is_reverse => vec![source],
        (_, Some(target)) => vec![target],
        (Some(source), None) => targets(source, code),
        (None, None) => Vec::new(),
    }
}

/// The types that a chain or `_has` goes through: `subject:Patient.name`, `patient.name`,
/// `_has:Observation:patient:code`.
fn chained(name: &str, searched: &[ResourceType]) -> Vec<ResourceType> {
    if let Some(rest) = name.strip_prefix("_has:") {
        return rest.split(':').next().and_then(ResourceType::parse).into_iter().collect();
    }
    let link = name.split('.').next().unwrap_or_default();
    match link.split_once(':') {
        Some((_, of)) => ResourceType::parse(of).into_iter().collect(),
        None => searched.iter().flat_map(|of| targets(*of, link)).collect(),
    }
}

fn targets(of: ResourceType, code: &str) -> Vec<ResourceType> {
    let parameter = Definitions::get().search_parameter(of, code);
    parameter.map(|parameter| parameter.targets.to_vec()).unwrap_or_default()
}

fn without_grant(
    rule: LintRule,
    request: &str,
    fact: &Fact,
    types: &BTreeSet<ResourceType>,
) -> Finding {
    let named = types.iter().map(|of| format!("`{of}`")).collect::<Vec<_>>().join(", ");
    let named = if named.is_empty() { "other types".to_owned() } else { named };
    let (told, example) = if rule == LintRule::IncludeWithoutGrant {
        let told = format!("the rule names an include, and grants nothing of {named} by that");
        (told, format!("`{request}…` answers its matches alone"))
    } else {
        let told = format!("the rule names a chain, and grants nothing of {named} by that");
        (told, format!("`{request}…` is 403"))
    };
    let of = types.first().map_or("Type", |of| of.name());
    let rows: Vec<String> = types.iter().take(3).map(|of| format!("{of}: \"…\"")).collect();
    let rows = if rows.is_empty() { "Type: \"…\"".to_owned() } else { rows.join(", ") };
    Finding::new(rule, &fact.at, told).example(example).remedy(format!(
        "grant them in a policy that holds for `GET /fhir/{of}`, with the rows that may be reached: \
         `rows: {{{rows}}}`"
    ))
}

/// A rule that ties a search to a value and says nothing of includes.
fn open_include(parameters: &[(&str, &Fact)], searched: &[ResourceType], findings: &mut Findings) {
    if parameters.iter().any(|(name, _)| matches!(Use::of(name), Use::Include)) {
        return;
    }
    let ties = |(name, fact): &&(&str, &Fact)| {
        fact.ask != Ask::Absent
            && (!name.starts_with('_') || *name == "_id")
            && !name.starts_with("resource/")
    };
    let Some((name, fact)) = parameters.iter().find(ties) else { return };
    let of = searched.first().map_or("Observation", |of| of.name());
    let told = "the rule leaves `_include` and `_revinclude` open: what they bring is limited to \
                what the caller may search for plainly";
    let finding = Finding::new(LintRule::OpenInclude, &fact.at, told)
        .example(format!("`GET /fhir/{of}?{name}=…&_revinclude=Provenance:target`"))
        .remedy("`_include: nil?` and `_revinclude: nil?` beside it refuse such searches");
    findings.add(finding);
}
