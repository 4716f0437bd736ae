//! Where the policies are that may grant a request: by whom they are for, then by what.

use std::collections::HashMap;

use firewarden_fhir::ResourceType;

use crate::Caller;
use crate::engine::{Asked, Engine};
use crate::policy::{Link, Policy};

/// Places of policies in their set. A policy is filed once for each of those it is for, by the most
/// telling thing that a request must be for it to hold.
#[derive(Debug, Default)]
pub(super) struct Index {
    for_everybody: Shelf,
    by_role_name: HashMap<String, Shelf>,
    by_user: HashMap<String, Shelf>,
    by_client: HashMap<String, Shelf>,
    by_operation: HashMap<String, Shelf>,
    allows_of_user: HashMap<String, Vec<usize>>,
    allows_of_client: HashMap<String, Vec<usize>>,
}

/// The policies for somebody.
#[derive(Debug, Default)]
struct Shelf {
    by_uri: HashMap<String, Vec<usize>>,
    by_type: HashMap<String, Vec<usize>>,
    by_operation: HashMap<String, Vec<usize>>,
    by_method: HashMap<String, Vec<usize>>,
    by_rows: HashMap<ResourceType, Vec<usize>>,
    // Requests about no type have no rows that could leave a policy out.
    with_rows: Vec<usize>,
    others: Vec<usize>,
}

impl Index {
    /// The places of these policies, in their order.
    pub(super) fn of<'a>(policies: impl Iterator<Item = &'a Policy>) -> Self {
        let mut index = Self::default();
        for (place, policy) in policies.enumerate() {
            index.file(place, policy);
        }
        index
    }

    /// The policies that may grant what is asked, in their order. `rows_of` is the type whose rows
    /// it touches.
    pub(super) fn find(
        &self,
        caller: &Caller,
        asked: &Asked<'_>,
        rows_of: Option<ResourceType>,
    ) -> Vec<usize> {
        let shelves = caller
            .role_names()
            .map(|name| self.by_role_name.get(name))
            .chain([
                Some(&self.for_everybody),
                caller.user_id().and_then(|id| self.by_user.get(id)),
                caller.client_id().and_then(|id| self.by_client.get(id)),
                self.by_operation.get(asked.operation),
            ])
            .flatten();
        let mut found = Vec::new();
        for shelf in shelves {
            shelf.find(asked, rows_of, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The `allow` policies that link the caller's own User or Client.
    pub(super) fn linked_allows(&self, caller: &Caller) -> impl Iterator<Item = usize> {
        let of_user = caller.user_id().and_then(|id| self.allows_of_user.get(id));
        let of_client = caller.client_id().and_then(|id| self.allows_of_client.get(id));
        of_user.into_iter().chain(of_client).flatten().copied()
    }

    fn file(&mut self, place: usize, policy: &Policy) {
        let Some(links) = &policy.links else {
            let shelf = match &policy.role_name {
                Some(name) => self.by_role_name.entry(name.clone()).or_default(),
                None => &mut self.for_everybody,
            };
            return shelf.file(place, policy);
        };
        for link in links {
            let (shelves, id) = match link {
                Link::User(id) => (&mut self.by_user, id),
                Link::Client(id) => (&mut self.by_client, id),
                Link::Operation(id) => (&mut self.by_operation, id),
                Link::Unknown => continue,
            };
            shelves.entry(id.clone()).or_default().file(place, policy);
            let allows = match link {
                Link::User(_) => &mut self.allows_of_user,
                Link::Client(_) => &mut self.allows_of_client,
                Link::Operation(_) | Link::Unknown => continue,
            };
            if matches!(policy.engine, Engine::Allow) {
                allows.entry(id.clone()).or_default().push(place);
            }
        }
    }
}

impl Shelf {
    fn file(&mut self, place: usize, policy: &Policy) {
        let required = &policy.required;
        let by = if let Some(uris) = &required.uris {
            Some((&mut self.by_uri, uris))
        } else if let Some(types) = &required.types {
            Some((&mut self.by_type, types))
        } else if let Some(rows) = &policy.rows {
            for of in rows.types() {
                self.by_rows.entry(of).or_default().push(place);
            }
            return self.with_rows.push(place);
        } else if let Some(operations) = &required.operations {
            Some((&mut self.by_operation, operations))
        } else {
            required.methods.as_ref().map(|methods| (&mut self.by_method, methods))
        };
        match by {
            None => self.others.push(place),
            Some((by, values)) => {
                for value in values {
                    by.entry(value.clone()).or_default().push(place);
                }
            }
        }
    }

    fn find(&self, asked: &Asked<'_>, rows_of: Option<ResourceType>, found: &mut Vec<usize>) {
        let of_rows = match rows_of {
            Some(of) => self.by_rows.get(&of),
            None => Some(&self.with_rows),
        };
        let places = [
            self.by_uri.get(asked.uri),
            asked.of.and_then(|of| self.by_type.get(of)),
            of_rows,
            self.by_operation.get(asked.operation),
            self.by_method.get(asked.method),
            Some(&self.others),
        ];
        found.extend(places.into_iter().flatten().flatten());
    }
}
