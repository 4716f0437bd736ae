//! Permits that reach some rows, as policies grant them.

use std::sync::Arc;

use firewarden_access::{
    Asker, Caller, PermittedRows, PermittedSearch, PolicySet, PolicySource, RequestFacts,
    RowFilter, decide,
};
use firewarden_fhir::search::SearchQuery;
use firewarden_fhir::{Id, Interaction, SearchForm};
use firewarden_store::Store;

use crate::opened::*;

/// What policies, each with such rows, grant of the first of these types together; `None` if they
/// do not grant it.
pub(crate) async fn permit(store: &Store, policies: &[(&str, &str)]) -> Option<PermittedRows> {
    let sources = policies.iter().enumerate().map(|(number, (name, rows))| {
        let content = serde_json::json!({
            "engine": "json-schema", "schema": {"type": "object"}, "rows": {*name: rows},
        });
        let id = Id::parse(&format!("p{number}")).unwrap();
        PolicySource { id, content: content.as_object().unwrap().clone() }
    });
    let policies_set = Arc::new(PolicySet::compile(0, sources.collect()));
    let asker = Asker {
        caller: Arc::new(Caller::default()),
        facts: Arc::new(RequestFacts { base_url: BASE_URL.to_owned(), ..Default::default() }),
        database: store.policy_database(),
        now: at(0),
    };
    let query = SearchQuery::all(of(policies[0].0));
    let search = Interaction::Search(query, SearchForm::Get);
    Some(decide(&policies_set, asker, search).await.ok()?.into_parts().1)
}

/// Those rows of a type.
pub(crate) async fn rows(store: &Store, name: &str, rows: &str) -> RowFilter {
    let permit = permit(store, &[(name, rows)]).await;
    permit.unwrap_or_else(|| panic!("{name}: {rows}")).of(of(name)).await
}

/// A search in those rows of its type.
pub(crate) async fn search(store: &Store, query: SearchQuery, rows: &str) -> PermittedSearch {
    let name = query.resource_type.name();
    permit(store, &[(name, rows)]).await.unwrap().search(query).await.unwrap()
}
