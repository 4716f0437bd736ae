//! The closed list of things the server does of its own accord, without a caller.

use firewarden_fhir::search::SearchQuery;
use firewarden_fhir::{Interaction, ResourceType};

use crate::{Permitted, PermittedSearch, RowFilter};

/// A thing the server does of its own accord. Each reaches no further than it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemTask {
    /// Writes the root client and its policy at the start.
    Bootstrap,
    /// Applies the operator's init Bundle before the port opens.
    InitBundle,
    /// Reads policies, introspectors and the like into memory.
    LoadConfiguration,
    /// Looks up the user, client and roles of a credential.
    FindCaller,
    /// Begins the sessions of issued tokens, and ends those that are over.
    KeepSessions,
    /// Makes a user for the subject of a token, where its introspector says so.
    CreateUser,
    /// Writes what the operator imports.
    Import,
    /// Reads everything for the operator's export.
    Export,
}

impl SystemTask {
    /// The permit for one interaction of this task, if it may do such a thing.
    pub fn permit(self, interaction: Interaction) -> Option<Permitted> {
        self.may(&interaction).then(|| Permitted::of_task(interaction, self))
    }

    /// The rows of a type that this task reads and writes.
    pub fn rows(self, of: ResourceType) -> RowFilter {
        let reached = match self {
            Self::Bootstrap => matches!(of.name(), "AccessPolicy" | "Client"),
            // The server alone writes its record of what happened, and what a token stands for.
            Self::InitBundle => !matches!(of.name(), "AuditEvent" | "Session"),
            Self::LoadConfiguration => {
                matches!(
                    of.name(),
                    "AccessPolicy" | "AccessPolicyTest" | "IdentityProvider" | "TokenIntrospector"
                )
            }
            Self::FindCaller => matches!(of.name(), "Client" | "Role" | "Session" | "User"),
            Self::KeepSessions => of.name() == "Session",
            Self::CreateUser => of.name() == "User",
            // A session is begun by its token alone.
            Self::Import | Self::Export => of.name() != "Session",
        };
        if reached { RowFilter::everything() } else { RowFilter::nothing() }
    }

    /// A search of this task, in the rows that it reads.
    pub fn search(self, query: SearchQuery) -> PermittedSearch {
        let rows = self.rows(query.resource_type);
        PermittedSearch::unlimited(query, rows)
    }

    fn may(self, interaction: &Interaction) -> bool {
        let act = match interaction {
            Interaction::Read(_) | Interaction::Search(..) => match self {
                Self::CreateUser | Self::Export => false,
                Self::Bootstrap
                | Self::InitBundle
                | Self::LoadConfiguration
                | Self::FindCaller
                | Self::KeepSessions
                | Self::Import => true,
            },
            Interaction::Create(_) => {
                self.writes() || matches!(self, Self::KeepSessions | Self::CreateUser)
            }
            Interaction::Update(..) => self.writes(),
            Interaction::ConditionalCreate(..) | Interaction::ConditionalUpdate(..) => {
                matches!(self, Self::InitBundle | Self::Import)
            }
            Interaction::Delete(..) => {
                matches!(self, Self::InitBundle | Self::KeepSessions | Self::Import)
            }
            Interaction::Vread(..)
            | Interaction::CompartmentSearch(..)
            | Interaction::ConditionalDelete(_)
            | Interaction::HistoryInstance(..)
            | Interaction::HistoryType(..)
            | Interaction::HistorySystem(_)
            | Interaction::UserInfo
            | Interaction::TestPolicy(_)
            | Interaction::TestMatcho(_)
            | Interaction::TestToken(_)
            | Interaction::Explain(_)
            | Interaction::Jobs(_)
            | Interaction::HealthDetails
            | Interaction::Metrics => false,
        };
        act && interaction
            .resource_type()
            .is_some_and(|of| self.rows(of) == RowFilter::everything())
    }

    /// Whether it creates and replaces what it reaches.
    fn writes(self) -> bool {
        match self {
            Self::Bootstrap | Self::InitBundle | Self::Import => true,
            Self::LoadConfiguration
            | Self::FindCaller
            | Self::KeepSessions
            | Self::CreateUser
            | Self::Export => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use firewarden_fhir::search::SearchQuery;
    use firewarden_fhir::{
        AskedOfJobs, Explain, HistoryPage, Id, IfMatch, Resource, SearchForm, SentToken, Target,
        WriteCondition,
    };
    use futures_util::FutureExt as _;
    use serde_json::Map;

    use super::*;

    const TASKS: [SystemTask; 8] = [
        SystemTask::Bootstrap,
        SystemTask::InitBundle,
        SystemTask::LoadConfiguration,
        SystemTask::FindCaller,
        SystemTask::KeepSessions,
        SystemTask::CreateUser,
        SystemTask::Import,
        SystemTask::Export,
    ];

    fn of(name: &str) -> ResourceType {
        ResourceType::parse(name).unwrap()
    }

    fn target(name: &str) -> Target {
        Target::new(of(name), Id::parse("x").unwrap())
    }

    fn resource(name: &str) -> Resource {
        Resource { resource_type: of(name), content: Map::new() }
    }

    /// The tasks that may do it.
    fn who(interaction: &Interaction) -> Vec<SystemTask> {
        TASKS.into_iter().filter(|task| task.permit(interaction.clone()).is_some()).collect()
    }

    #[test]
    fn each_task_reaches_its_own_types_and_no_other() {
        use SystemTask::{
            Bootstrap, FindCaller, Import, InitBundle, KeepSessions, LoadConfiguration,
        };
        for (name, tasks) in [
            ("AccessPolicy", &[Bootstrap, InitBundle, LoadConfiguration, Import][..]),
            ("AccessPolicyTest", &[InitBundle, LoadConfiguration, Import]),
            ("IdentityProvider", &[InitBundle, LoadConfiguration, Import]),
            ("TokenIntrospector", &[InitBundle, LoadConfiguration, Import]),
            ("Client", &[Bootstrap, InitBundle, FindCaller, Import]),
            ("User", &[InitBundle, FindCaller, Import]),
            ("Role", &[InitBundle, FindCaller, Import]),
            ("Session", &[FindCaller, KeepSessions]),
            ("Patient", &[InitBundle, Import]),
            ("AuditEvent", &[Import]),
        ] {
            assert_eq!(who(&Interaction::Read(target(name))), tasks, "read {name}");
            let search = Interaction::Search(SearchQuery::all(of(name)), SearchForm::Get);
            assert_eq!(who(&search), tasks, "search {name}");
            for task in TASKS {
                let makes_it = task == SystemTask::CreateUser && name == "User";
                let dumps_it = task == SystemTask::Export && name != "Session";
                let expected = tasks.contains(&task) || makes_it || dumps_it;
                assert_eq!(task.rows(of(name)) == RowFilter::everything(), expected, "{name}");
            }
        }
    }

    #[test]
    fn only_the_writing_tasks_write() {
        use SystemTask::{Bootstrap, Import, InitBundle, KeepSessions};
        let update = |name| Interaction::Update(target(name), resource(name), IfMatch::default());
        assert_eq!(who(&update("Client")), [Bootstrap, InitBundle, Import]);
        assert_eq!(who(&update("User")), [InitBundle, Import]);
        assert_eq!(who(&update("AuditEvent")), [Import]);
        assert_eq!(who(&update("Session")), []);
        assert_eq!(who(&Interaction::Create(resource("Session"))), [KeepSessions]);
        assert_eq!(who(&Interaction::Delete(target("Session"), IfMatch::Any)), [KeepSessions]);
        let made = who(&Interaction::Create(resource("AccessPolicy")));
        assert_eq!(made, [Bootstrap, InitBundle, Import]);
        let deletes = |name| who(&Interaction::Delete(target(name), IfMatch::Any));
        assert_eq!(deletes("Client"), [InitBundle, Import]);
        assert_eq!(deletes("AuditEvent"), [Import]);
        let condition = WriteCondition::one(SearchQuery::all(of("Client")));
        let made = Interaction::ConditionalCreate(condition.clone(), resource("Client"));
        let replaced =
            Interaction::ConditionalUpdate(condition, resource("Client"), IfMatch::default());
        let both = vec![InitBundle, Import];
        assert_eq!((who(&made), who(&replaced)), (both.clone(), both));
    }

    #[test]
    fn a_user_is_made_by_its_task_and_nothing_else_is() {
        let task = SystemTask::CreateUser;
        let may = |interaction: Interaction| task.permit(interaction).is_some();
        assert!(may(Interaction::Create(resource("User"))));
        for name in ["AccessPolicy", "Client", "Role", "TokenIntrospector", "Patient"] {
            assert!(!may(Interaction::Create(resource(name))), "{name}");
        }
        assert!(!may(Interaction::Update(target("User"), resource("User"), IfMatch::default())));
        assert!(!may(Interaction::Delete(target("User"), IfMatch::Any)));
        assert!(!may(Interaction::Read(target("User"))));
    }

    #[test]
    fn no_task_does_what_callers_ask_for() {
        let page = HistoryPage { count: 1, since: None, cursor: None, applied: Vec::new() };
        for interaction in [
            Interaction::UserInfo,
            Interaction::HealthDetails,
            Interaction::Metrics,
            Interaction::Jobs(AskedOfJobs::List),
            Interaction::Jobs(AskedOfJobs::Cancel("x".to_owned())),
            Interaction::TestPolicy(serde_json::Value::Null),
            Interaction::Explain(Explain::Shadow),
            Interaction::Vread(target("Client"), firewarden_fhir::Version(1)),
            Interaction::TestToken(SentToken::new("x".to_owned())),
            Interaction::HistorySystem(page.clone()),
            Interaction::HistoryType(of("Client"), page),
        ] {
            assert_eq!(who(&interaction), []);
        }
    }

    #[test]
    fn a_permit_of_a_task_holds_its_rows_and_depends_on_no_policy() {
        let permit = SystemTask::Bootstrap.permit(Interaction::Read(target("Client"))).unwrap();
        let rows = |name| permit.rows(of(name)).now_or_never();
        assert_eq!(rows("AccessPolicy"), Some(RowFilter::everything()));
        assert_eq!(rows("Patient"), Some(RowFilter::nothing()));
        assert_eq!(permit.policy_version(), None);
        assert_eq!(permit.granted_by(), [""; 0]);
    }
}
