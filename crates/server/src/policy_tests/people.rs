//! Users, roles and clients as they would stand after a change.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use firewarden_fhir::{Id, ResourceType, Target, Timestamp, Version};
use firewarden_identity::{Content, Directory, DirectoryUnavailable, StoredClient, StoredSession};
use serde_json::{Map, Value};

/// What is written, before what is stored.
pub(crate) struct People<'a> {
    stored: Option<&'a dyn Directory>,
    written: HashMap<Target, Option<Content>>,
}

impl<'a> People<'a> {
    /// Those of a directory, if there is one, as these writes leave them.
    pub(crate) fn new(stored: Option<&'a dyn Directory>, writes: &super::Writes<'_>) -> Self {
        let people = ["User", "Role", "Client"];
        let writes = writes.iter().filter(|(of, _)| people.contains(&of.resource_type.name()));
        let written = writes.map(|(target, content)| {
            let content = content.map(|content| {
                let mut content = content.clone();
                content.insert("id".to_owned(), target.id.as_str().into());
                Arc::new(content)
            });
            (Target::clone(target), content)
        });
        Self { stored, written: written.collect() }
    }

    fn written(&self, of: &str, id: &Id) -> Option<&Option<Content>> {
        let of = ResourceType::parse(of)?;
        self.written.get(&Target::new(of, id.clone()))
    }
}

/// Whether a role is that user's, in either form of a reference.
fn is_role_of(role: &Map<String, Value>, user: &Id) -> bool {
    let Some(of) = role.get("user") else {
        return false;
    };
    let text = |name: &str| of.get(name).and_then(Value::as_str);
    match text("reference") {
        Some(reference) => reference.strip_prefix("User/") == Some(user.as_str()),
        None => text("resourceType") == Some("User") && text("id") == Some(user.as_str()),
    }
}

#[async_trait]
impl Directory for People<'_> {
    async fn version(&self) -> Result<u64, DirectoryUnavailable> {
        match self.stored {
            Some(stored) => stored.version().await,
            None => Ok(0),
        }
    }

    async fn user(&self, id: &Id) -> Result<Option<Content>, DirectoryUnavailable> {
        match (self.written("User", id), self.stored) {
            (Some(written), _) => Ok(written.clone()),
            (None, Some(stored)) => stored.user(id).await,
            (None, None) => Ok(None),
        }
    }

    async fn users_by_identifier(
        &self,
        system: &str,
        value: &str,
    ) -> Result<Vec<Content>, DirectoryUnavailable> {
        match self.stored {
            Some(stored) => stored.users_by_identifier(system, value).await,
            None => Ok(Vec::new()),
        }
    }

    async fn users_by_data_sub(&self, sub: &str) -> Result<Vec<Content>, DirectoryUnavailable> {
        match self.stored {
            Some(stored) => stored.users_by_data_sub(sub).await,
            None => Ok(Vec::new()),
        }
    }

    async fn roles(&self, user: &Id) -> Result<Vec<Content>, DirectoryUnavailable> {
        let mut roles = match self.stored {
            Some(stored) => stored.roles(user).await?,
            None => Vec::new(),
        };
        roles.retain(|role| {
            let id = role.get("id").and_then(Value::as_str).and_then(Id::parse);
            id.is_none_or(|id| self.written("Role", &id).is_none())
        });
        let is_role = |target: &Target| target.resource_type.name() == "Role";
        let written = self.written.iter().filter(|(target, _)| is_role(target));
        let written = written.filter_map(|(_, content)| content.clone());
        roles.extend(written.filter(|role| is_role_of(role, user)));
        Ok(roles)
    }

    async fn session(&self, id: &Id) -> Result<Option<StoredSession>, DirectoryUnavailable> {
        match self.stored {
            Some(stored) => stored.session(id).await,
            None => Ok(None),
        }
    }

    /// Nobody is made by a test.
    async fn create_user(
        &self,
        _id: &Id,
        _user: Map<String, Value>,
        _now: Timestamp,
    ) -> Result<Option<Content>, DirectoryUnavailable> {
        Ok(None)
    }

    async fn client(&self, id: &Id) -> Result<Option<StoredClient>, DirectoryUnavailable> {
        match (self.written("Client", id), self.stored) {
            (Some(written), _) => Ok(written.clone().map(|mut content| {
                Arc::make_mut(&mut content).shift_remove("secret");
                let version = Version(1);
                StoredClient { version, content, secret_hash: None }
            })),
            (None, Some(stored)) => stored.client(id).await,
            (None, None) => Ok(None),
        }
    }
}
