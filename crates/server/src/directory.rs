//! Users, roles and clients for `identity`, read through a cache of one policy version.

use std::sync::Arc;

use async_trait::async_trait;
use firewarden_access::SystemTask;
use firewarden_fhir::search::{Criterion, ReferenceValue, SearchQuery, TokenValue};
use firewarden_fhir::{Definitions, Id, Interaction, Resource, ResourceType, Target, Timestamp};
use firewarden_identity::{Content, Directory, DirectoryUnavailable, StoredClient, StoredSession};
use firewarden_store::{Change, Read, Store, StoreError, Write, WriteError, WriteRequest};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::configuration::content;
use crate::{limits, sessions};

/// The stored users, roles and clients. What is remembered is remembered for one policy version:
/// every change to one of them makes a new one.
pub(crate) struct StoredDirectory {
    store: Store,
    found: moka::sync::Cache<(u64, Question), Vec<Content>>,
    clients: moka::sync::Cache<(u64, Id), Option<StoredClient>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Question {
    User(Id),
    Identifier(String, String),
    DataSub(String),
    Roles(Id),
}

impl StoredDirectory {
    pub(crate) fn new(store: Store) -> Self {
        let entries = limits::DIRECTORY_CACHE_ENTRIES_MAX;
        let (found, clients) = (moka::sync::Cache::new(entries), moka::sync::Cache::new(entries));
        Self { store, found, clients }
    }

    async fn ask(&self, question: Question) -> Result<Vec<Content>, DirectoryUnavailable> {
        // The version is read first: what is found is at least as new.
        let key = (self.version().await?, question);
        if let Some(found) = self.found.get(&key) {
            return Ok(found);
        }
        let found = match &key.1 {
            Question::User(id) => self.read("User", id).await?.into_iter().collect(),
            Question::Identifier(system, value) => {
                let token = TokenValue::SystemCode(system.clone(), value.clone());
                self.search("User", "identifier", |parameter| Criterion::Token {
                    parameter,
                    negated: false,
                    values: vec![token],
                })
                .await?
            }
            Question::DataSub(sub) => {
                let token = TokenValue::Code(sub.clone());
                self.search("User", "sub", |parameter| Criterion::Token {
                    parameter,
                    negated: false,
                    values: vec![token],
                })
                .await?
            }
            Question::Roles(user) => {
                let user = ResourceType::parse("User").map(|of| Target::new(of, user.clone()));
                self.search("Role", "user", |parameter| Criterion::Reference {
                    parameter,
                    values: user.map(ReferenceValue::Target).into_iter().collect(),
                })
                .await?
            }
        };
        self.found.insert(key, found.clone());
        Ok(found)
    }

    async fn read(&self, of: &str, id: &Id) -> Result<Option<Content>, DirectoryUnavailable> {
        let Some(of) = ResourceType::parse(of) else {
            return Ok(None);
        };
        let target = Target::new(of, id.clone());
        let rows = SystemTask::FindCaller.rows(of);
        match self.store.read(&target, &rows).await.map_err(unavailable)? {
            Read::Found(stored) => Ok(content(&stored).map(Arc::new)),
            Read::Deleted(_) | Read::Absent => Ok(None),
        }
    }

    async fn search(
        &self,
        of: &str,
        code: &str,
        criterion: impl FnOnce(&'static firewarden_fhir::definitions::SearchParameter) -> Criterion,
    ) -> Result<Vec<Content>, DirectoryUnavailable> {
        let parameter = ResourceType::parse(of)
            .and_then(|of| Some((of, Definitions::get().search_parameter(of, code)?)));
        let missing = || DirectoryUnavailable(format!("no search parameter `{code}` of `{of}`"));
        let (of, parameter) = parameter.ok_or_else(missing)?;
        let count = firewarden_fhir::limits::PAGE_ENTRIES_MAX;
        let query =
            SearchQuery { criteria: vec![criterion(parameter)], count, ..SearchQuery::all(of) };
        let search = SystemTask::FindCaller.search(query);
        let page = self.store.search(search).await.map_err(unavailable)?;
        Ok(page.matches.iter().filter_map(content).map(Arc::new).collect())
    }
}

fn unavailable(error: StoreError) -> DirectoryUnavailable {
    DirectoryUnavailable(error.to_string())
}

#[async_trait]
impl Directory for StoredDirectory {
    async fn version(&self) -> Result<u64, DirectoryUnavailable> {
        self.store.policy_version().await.map_err(unavailable)
    }

    async fn user(&self, id: &Id) -> Result<Option<Content>, DirectoryUnavailable> {
        Ok(self.ask(Question::User(id.clone())).await?.into_iter().next())
    }

    async fn users_by_identifier(
        &self,
        system: &str,
        value: &str,
    ) -> Result<Vec<Content>, DirectoryUnavailable> {
        self.ask(Question::Identifier(system.to_owned(), value.to_owned())).await
    }

    async fn users_by_data_sub(&self, sub: &str) -> Result<Vec<Content>, DirectoryUnavailable> {
        self.ask(Question::DataSub(sub.to_owned())).await
    }

    async fn roles(&self, user: &Id) -> Result<Vec<Content>, DirectoryUnavailable> {
        self.ask(Question::Roles(user.clone())).await
    }

    /// Read anew each time: sessions end without a new policy version.
    async fn session(&self, id: &Id) -> Result<Option<StoredSession>, DirectoryUnavailable> {
        let Some(of) = ResourceType::parse("Session") else {
            return Ok(None);
        };
        let target = Target::new(of, id.clone());
        let rows = SystemTask::FindCaller.rows(of);
        let Read::Found(stored) = self.store.read(&target, &rows).await.map_err(unavailable)?
        else {
            return Ok(None);
        };
        let secrets = self.store.secrets(&target, &rows).await.map_err(unavailable)?;
        let hash = secrets.into_iter().find(|(pointer, _)| pointer == "/token");
        let content = content(&stored).unwrap_or_default();
        Ok(hash.and_then(|(_, token_hash)| sessions::stored(&content, token_hash)))
    }

    async fn create_user(
        &self,
        id: &Id,
        user: Map<String, Value>,
        now: Timestamp,
    ) -> Result<Option<Content>, DirectoryUnavailable> {
        let refused = || DirectoryUnavailable("no user can be made".to_owned());
        let of = ResourceType::parse("User").ok_or_else(refused)?;
        let interaction = Interaction::Create(Resource { resource_type: of, content: user });
        let permitted = SystemTask::CreateUser.permit(interaction).ok_or_else(refused)?;
        let (Interaction::Create(resource), rows) = permitted.into_parts() else {
            return Err(refused());
        };
        let change = Change::Create { resource, secrets: Vec::new() };
        let (target, rows) = (Target::new(of, id.clone()), rows.of(of).await);
        let write = Write { target, matching: None, rows, change };
        let request = WriteRequest { policy_version: None, now, writes: vec![write] };
        match self.store.write(request).await {
            Ok(_) => self.user(id).await,
            Err(WriteError::IdTaken { .. }) => Ok(None),
            Err(error) => Err(DirectoryUnavailable(error.to_string())),
        }
    }

    async fn client(&self, id: &Id) -> Result<Option<StoredClient>, DirectoryUnavailable> {
        let key = (self.version().await?, id.clone());
        if let Some(client) = self.clients.get(&key) {
            return Ok(client);
        }
        let Some(of) = ResourceType::parse("Client") else {
            return Ok(None);
        };
        let target = Target::new(of, id.clone());
        let rows = SystemTask::FindCaller.rows(of);
        let client = match self.store.read(&target, &rows).await.map_err(unavailable)? {
            Read::Found(stored) => {
                let secrets = self.store.secrets(&target, &rows).await.map_err(unavailable)?;
                let hash = secrets.into_iter().find(|(pointer, _)| pointer == "/secret");
                let hash = hash.and_then(|(_, hash)| String::from_utf8(hash.to_vec()).ok());
                content(&stored).map(|content| StoredClient {
                    version: stored.version,
                    content: Arc::new(content),
                    secret_hash: hash.map(Zeroizing::new),
                })
            }
            Read::Deleted(_) | Read::Absent => None,
        };
        self.clients.insert(key, client.clone());
        Ok(client)
    }
}
