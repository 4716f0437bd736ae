//! Performs what was granted: one interaction, one file.

use firewarden_access::Permitted;
use firewarden_fhir::{Interaction, Issue};

use crate::{Failure, Outcome, Ports, conditional, create, delete, history, read, search, update};

/// Performs a granted interaction. Everything it reads and writes is inside the permit's rows.
pub async fn perform(ports: Ports<'_>, permitted: Permitted) -> Result<Outcome, Failure> {
    let (interaction, rows) = permitted.into_parts();
    match interaction {
        Interaction::Read(target) => {
            read::read(ports, &target, &rows.of(target.resource_type).await).await
        }
        Interaction::Vread(target, version) => {
            read::vread(ports, &target, version, &rows.of(target.resource_type).await).await
        }
        Interaction::Search(query, form) => search::search(ports, query, form, &rows).await,
        Interaction::CompartmentSearch(compartment, query) => {
            search::in_compartment(ports, &compartment, query, &rows).await
        }
        Interaction::Create(resource) => create::create(ports, resource, &rows).await,
        Interaction::ConditionalCreate(condition, resource) => {
            conditional::create(ports, condition, resource, &rows).await
        }
        Interaction::ConditionalUpdate(condition, resource, if_match) => {
            conditional::update(ports, condition, resource, if_match, &rows).await
        }
        Interaction::ConditionalDelete(condition) => {
            conditional::delete(ports, condition, &rows).await
        }
        Interaction::Update(target, resource, if_match) => {
            update::update(ports, target, resource, if_match, &rows).await
        }
        Interaction::Delete(target, if_match) => {
            delete::delete(ports, target, if_match, &rows).await
        }
        Interaction::HistoryInstance(target, page) => {
            history::of_instance(ports, target, page, &rows).await
        }
        Interaction::HistoryType(of, page) => history::of_type(ports, of, page, &rows).await,
        Interaction::HistorySystem(page) => history::of_system(ports, page, &rows).await,
        Interaction::UserInfo
        | Interaction::TestPolicy(_)
        | Interaction::TestMatcho(_)
        | Interaction::TestToken(_)
        | Interaction::Explain(_)
        | Interaction::Jobs(_)
        | Interaction::HealthDetails
        | Interaction::Metrics => {
            let text = "this is not an interaction with resources";
            Err(Failure::BadRequest(Issue::error("not-supported", text)))
        }
    }
}
