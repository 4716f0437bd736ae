//! Expressions on `uri` that other paths match than the one that was thought of.

use firewarden_fhir::ResourceType;
use regex::Regex;
use regex_syntax::hir::Look;

use super::{Ask, Fact, Finding, Findings, LintRule};

/// Tells of expressions on `uri` that are not anchored, with a path that they also match.
pub(super) fn look(facts: &[Fact], findings: &mut Findings) {
    for fact in facts.iter().filter(|fact| fact.place() == ["uri"] && !fact.is_negated) {
        let Ask::Expression(text) = &fact.ask else { continue };
        let Some(open) = Open::of(text) else { continue };
        let Some(path) = also_matches(text, &open) else { continue };
        let told = format!("the expression `{text}` is found in other paths as well");
        let finding = Finding::new(LintRule::UnanchoredUri, &fact.at, told)
            .example(format!("`GET {path}`"))
            .remedy(
                "say where it begins and ends, as in `^/fhir/Patient(/[^/]+)?$`, or ask for \
                 `params.resource/type`",
            );
        findings.add(finding);
    }
}

/// Where an expression leaves open what stands there.
struct Open {
    at_start: bool,
    at_end: bool,
}

impl Open {
    /// `None` for an expression that is anchored, or open on purpose.
    fn of(text: &str) -> Option<Self> {
        let parsed = regex_syntax::parse(text).ok()?;
        let looks = parsed.properties();
        let at_start = !looks.look_set_prefix().contains(Look::Start);
        let is_open_on_purpose = text.ends_with(".*") || text.ends_with(".+");
        let at_end = !looks.look_set_suffix().contains(Look::End) && !is_open_on_purpose;
        (at_start || at_end).then_some(Self { at_start, at_end })
    }
}

/// A path that the expression matches and that it would not match if it were anchored.
fn also_matches(text: &str, open: &Open) -> Option<String> {
    let found = Regex::new(text).ok()?;
    let whole = Regex::new(&format!("^(?:{text})$")).ok()?;
    // What comes before is left out where it is a common beginning: `/Patient` for `/fhir/Patient`.
    let below = Regex::new(&format!("^/fhir(?:{text})$")).ok()?;
    let also =
        |path: &String| found.is_match(path) && !whole.is_match(path) && !below.is_match(path);
    candidates(text, open).find(also)
}

/// Paths that requests have, the most telling ones first.
fn candidates(text: &str, open: &Open) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let named: Vec<ResourceType> = words.filter_map(ResourceType::parse).collect();
    let mut paths = Vec::new();
    for of in named {
        if open.at_start {
            let compartment = if of.name() == "Patient" { "Practitioner" } else { "Patient" };
            paths.extend([format!("/fhir/{compartment}/x/{of}"), format!("/fhir/Basic/{of}")]);
        }
        if open.at_end {
            let longer = ResourceType::all().filter(|other| {
                *other != of && !other.is_own() && other.name().starts_with(of.name())
            });
            paths.extend(longer.map(|other| format!("/fhir/{other}/x")));
            let root = if of.is_own() { "" } else { "/fhir" };
            paths.push(format!("{root}/{of}/x/_history"));
        }
    }
    // Our own types are not granted by an expression, whatever it is found in.
    let any = ResourceType::all().filter(|of| !of.is_own()).flat_map(|of| {
        [format!("/fhir/{of}"), format!("/fhir/{of}/x"), format!("/fhir/{of}/x/_history")]
    });
    paths.into_iter().chain(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_expression_is_shown_another_path() {
        for (text, path) in [
            ("/Encounter.*", "/fhir/Patient/x/Encounter"),
            ("/Patient", "/fhir/Practitioner/x/Patient"),
            ("Patient$", "/fhir/Practitioner/x/Patient"),
            ("^/fhir/Medication", "/fhir/MedicationAdministration/x"),
            ("^/fhir/Patient", "/fhir/Patient/x/_history"),
            ("/User", "/fhir/Patient/x/User"),
            ("^/fhir/(Patient|Group)", "/fhir/Patient/x/_history"),
            ("x", "/fhir/Account/x"),
        ] {
            let open = Open::of(text).unwrap();
            assert_eq!(also_matches(text, &open).as_deref(), Some(path), "{text}");
        }
    }

    #[test]
    fn an_anchored_one_and_one_that_is_open_on_purpose_are_not() {
        for text in [
            "^/fhir/Patient$",
            "^/fhir/Patient(/[^/]+)?$",
            r"\A/fhir/Patient\z",
            "^/fhir/Patient/.*",
            "^/fhir/.+",
            "^/fhir/Patient.*$",
        ] {
            assert!(Open::of(text).is_none(), "{text}");
        }
    }
}
