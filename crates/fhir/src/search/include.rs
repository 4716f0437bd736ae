//! `_include` and `_revinclude` (<https://hl7.org/fhir/R4/search.html#include>).

use crate::definitions::{ParameterType, SearchParameter};
use crate::search::{Direction, Include};
use crate::{Definitions, ResourceType};

/// What an include asks for.
pub(super) enum Included {
    /// These, one for each type whose references are followed.
    Known(Vec<Include>),
    /// Something that is not there, and why.
    Unknown(String),
}

/// Reads the value of an include: `Type:parameter`, `Type:parameter:Target`, `Type:*` or `*`.
pub(super) fn read(
    searched: ResourceType,
    direction: Direction,
    modifier: Option<&str>,
    value: &str,
) -> Included {
    let iterate = match modifier {
        None => false,
        Some("iterate" | "recurse") => true,
        Some(other) => return Included::Unknown(format!("there is no modifier `{other}`")),
    };
    if value == "*" {
        return Included::Known(everything(searched, direction, iterate));
    }
    let mut parts = value.splitn(3, ':');
    let (source, code, target) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let Some(source) = ResourceType::parse(source) else {
        return Included::Unknown(format!("there is no type `{source}`"));
    };
    let target = match target.map(|target| ResourceType::parse(target).ok_or(target)).transpose() {
        Ok(target) => target,
        Err(unknown) => return Included::Unknown(format!("there is no type `{unknown}`")),
    };
    let Some(code) = code else {
        return Included::Unknown(format!("`{value}` is not `Type:parameter`"));
    };
    let parameters: Vec<_> =
        references_of(source).filter(|p| code == "*" || *p.code == *code).collect();
    if parameters.is_empty() {
        return Included::Unknown(format!("`{code}` is not a reference parameter of `{source}`"));
    }
    if let Some(target) = target.filter(|of| !parameters.iter().any(|p| p.may_refer_to(*of))) {
        return Included::Unknown(format!("`{source}:{code}` never refers to `{target}`"));
    }
    Included::Known(vec![Include { direction, source, parameters, target, iterate }])
}

/// `*`: every reference of the type searched, or to it. When iterated, every reference of every
/// type.
fn everything(searched: ResourceType, direction: Direction, iterate: bool) -> Vec<Include> {
    let sources = ResourceType::all().filter(|of| match direction {
        Direction::Forward => iterate || *of == searched,
        Direction::Reverse => true,
    });
    let followed = |parameter: &&SearchParameter| match direction {
        Direction::Forward => true,
        Direction::Reverse => iterate || parameter.may_refer_to(searched),
    };
    sources
        .map(|source| Include {
            direction,
            source,
            parameters: references_of(source).filter(followed).collect(),
            target: None,
            iterate,
        })
        .filter(|include| !include.parameters.is_empty())
        .collect()
}

fn references_of(of: ResourceType) -> impl Iterator<Item = &'static SearchParameter> {
    let parameters = Definitions::get().search_parameters(of).iter();
    parameters.filter(|parameter| parameter.kind == ParameterType::Reference)
}
