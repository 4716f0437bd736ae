//! The links of a policy: the users, clients and operations it is for.

use serde_json::Value;

use crate::{Caller, own_reference};

/// One link of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// The user of that id.
    User(String),
    /// The client of that id.
    Client(String),
    /// The operation of that id, as in `operation.id` of the request document.
    Operation(String),
    /// Something that no request has: it never applies.
    Unknown,
}

impl Link {
    /// Reads a link. `None` for what is no reference.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let (of, id) = own_reference::read(value)?;
        Some(match of {
            "User" => Self::User(id.to_owned()),
            "Client" => Self::Client(id.to_owned()),
            "Operation" => Self::Operation(id.to_owned()),
            _ => Self::Unknown,
        })
    }

    /// Whether it is the caller's own User or Client.
    pub(crate) fn names_caller(&self, caller: &Caller) -> bool {
        match self {
            Self::User(id) => caller.user_id() == Some(id),
            Self::Client(id) => caller.client_id() == Some(id),
            Self::Operation(_) | Self::Unknown => false,
        }
    }

    /// Whether it is that operation.
    pub(crate) fn is_operation(&self, operation: &str) -> bool {
        match self {
            Self::Operation(id) => id == operation,
            Self::User(_) | Self::Client(_) | Self::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_link_is_read_in_either_form() {
        for (value, link) in [
            (json!({"reference": "User/a"}), Link::User("a".into())),
            (json!({"resourceType": "User", "id": "a"}), Link::User("a".into())),
            (json!({"reference": "Client/b", "display": "B"}), Link::Client("b".into())),
            (
                json!({"reference": "Client/b", "resourceType": "Client", "id": "b"}),
                Link::Client("b".into()),
            ),
            (json!({"reference": "Operation/FhirRead"}), Link::Operation("FhirRead".into())),
            (json!({"resourceType": "Patient", "id": "a"}), Link::Unknown),
            (json!({"reference": "https://example.org/User/a"}), Link::Unknown),
        ] {
            assert_eq!(Link::read(&value), Some(link), "{value}");
        }
    }

    #[test]
    fn what_is_not_a_link_is_not_read_as_one() {
        for value in [
            json!({}),
            json!(null),
            json!("User/a"),
            json!({"reference": "a"}),
            json!({"reference": "User/"}),
            json!({"reference": 1}),
            json!({"resourceType": "User"}),
            json!({"id": "a"}),
            json!({"resourceType": "User", "id": ""}),
            json!({"reference": "User/a", "resourceType": "User", "id": "b"}),
            json!({"reference": "User/a", "id": "a"}),
        ] {
            assert_eq!(Link::read(&value), None, "{value}");
        }
    }
}
