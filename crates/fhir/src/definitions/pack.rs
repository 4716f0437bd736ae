//! Reads the packs of definitions that are part of the program: FHIR R4's, and our own.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::GzDecoder;
use serde::Deserialize;

use super::elements::{ElementTables, Row};
use super::{Definitions, ParameterType, SearchParameter};
use crate::ResourceType;

const R4: &[u8] = include_bytes!("../../definitions/r4.json.gz");
const OWN: &str = include_str!("../../definitions/own.json");

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'static"))]
struct Pack {
    types: Vec<Row>,
    parameters: Vec<ParameterRow>,
    compartments: Vec<(&'static str, BTreeMap<&'static str, Vec<&'static str>>)>,
}

/// Code, URL, type, expression by base, targets.
type ParameterRow = (
    &'static str,
    &'static str,
    &'static str,
    BTreeMap<&'static str, &'static str>,
    Vec<&'static str>,
);

/// Reads both packs. The error names what is wrong.
pub(super) fn read() -> Result<Definitions, String> {
    let pack = both()?;
    let parameters = parameters(&pack.parameters)?;
    let compartments = compartments(&pack, &parameters)?;
    Ok(Definitions { elements: ElementTables::read(&pack.types)?, parameters, compartments })
}

fn both() -> Result<Pack, String> {
    let mut r4 = String::new();
    GzDecoder::new(R4).read_to_string(&mut r4).map_err(|e| e.to_string())?;
    // The definitions live as long as the program, and so may the text they point into.
    let mut pack: Pack = serde_json::from_str(r4.leak()).map_err(|e| e.to_string())?;
    let own: Pack = serde_json::from_str(OWN).map_err(|e| e.to_string())?;
    pack.types.extend(own.types);
    pack.parameters.extend(own.parameters);
    Ok(pack)
}

type Parameters = BTreeMap<ResourceType, &'static [SearchParameter]>;

fn parameters(rows: &[ParameterRow]) -> Result<Parameters, String> {
    let mut by_type: BTreeMap<ResourceType, Vec<SearchParameter>> = BTreeMap::new();
    for (code, url, kind, expressions, targets) in rows {
        let kind =
            ParameterType::parse(kind).ok_or_else(|| format!("no parameter type `{kind}`"))?;
        let targets: Vec<ResourceType> =
            targets.iter().map(|target| resource_type(target)).collect::<Result<_, String>>()?;
        for (base, expression) in expressions {
            for resource_type in types_of(base)? {
                by_type.entry(resource_type).or_default().push(SearchParameter {
                    resource_type,
                    code: (*code).into(),
                    url: (*url).into(),
                    kind,
                    expression: (*expression).into(),
                    targets: targets.clone(),
                });
            }
        }
    }
    let ordered = by_type.into_iter().map(|(resource_type, mut parameters)| {
        parameters.sort_unstable_by(|a, b| a.code.cmp(&b.code));
        let parameters: &'static [SearchParameter] = parameters.leak();
        (resource_type, parameters)
    });
    Ok(ordered.collect())
}

fn types_of(base: &str) -> Result<Vec<ResourceType>, String> {
    if matches!(base, "Resource" | "DomainResource") {
        return Ok(ResourceType::all().collect());
    }
    Ok(vec![resource_type(base)?])
}

fn resource_type(name: &str) -> Result<ResourceType, String> {
    ResourceType::parse(name).ok_or_else(|| format!("no resource type `{name}`"))
}

fn compartments(
    pack: &Pack,
    parameters: &Parameters,
) -> Result<BTreeMap<(ResourceType, ResourceType), Vec<&'static SearchParameter>>, String> {
    let mut compartments = BTreeMap::new();
    for (compartment, members) in &pack.compartments {
        let compartment = resource_type(compartment)?;
        for (member, codes) in members {
            let member = resource_type(member)?;
            let known = parameters.get(&member).copied().unwrap_or_default();
            let tying = codes.iter().map(|code| {
                let parameter = known.iter().find(|parameter| *parameter.code == **code);
                parameter.ok_or_else(|| format!("no parameter `{member}?{code}`"))
            });
            compartments.insert((compartment, member), tying.collect::<Result<Vec<_>, String>>()?);
        }
    }
    Ok(compartments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_types_are_those_of_the_packs() {
        let mut names: Vec<_> = both()
            .unwrap()
            .types
            .iter()
            .filter(|(name, base, _)| {
                matches!(*base, "Resource" | "DomainResource") && *name != "DomainResource"
            })
            .map(|(name, ..)| *name)
            .collect();
        names.sort_unstable();
        assert_eq!(names, ResourceType::all().map(ResourceType::name).collect::<Vec<_>>());
    }
}
