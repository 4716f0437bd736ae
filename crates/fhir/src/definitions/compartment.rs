//! Compartments: what belongs to a patient, an encounter, a device
//! (<https://hl7.org/fhir/R4/compartmentdefinition.html>).

use crate::search::{Criterion, ReferenceValue};
use crate::{Definitions, ResourceType, Target};

/// What a resource of type `of` meets that is in the compartment: it refers to the compartment's
/// resource by one of the parameters that the definition names, or it is that resource. `None` when
/// resources of the type are in no such compartment.
pub fn criterion(compartment: &Target, of: ResourceType) -> Option<Criterion> {
    let definitions = Definitions::get();
    let tying = definitions.compartment_parameters(compartment.resource_type, of).iter();
    let refers = tying.map(|parameter| {
        let values = vec![ReferenceValue::Target(compartment.clone())];
        vec![Criterion::Reference { parameter, values }]
    });
    let is_there = definitions.compartments().any(|it| it == compartment.resource_type);
    let itself = (is_there && of == compartment.resource_type)
        .then(|| vec![Criterion::Id(vec![compartment.id.clone()])]);
    let ways: Vec<Vec<Criterion>> = itself.into_iter().chain(refers).collect();
    (!ways.is_empty()).then_some(Criterion::Any(ways))
}
