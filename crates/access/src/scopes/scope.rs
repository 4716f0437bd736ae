//! One SMART scope: `patient/Observation.rs?category=laboratory`.

use firewarden_fhir::ResourceType;

/// Whose resources a scope is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Those of the patient of the launch.
    Patient,
    /// Those that the user may reach: what the policies say.
    User,
    /// Those that the client may reach: what the policies say.
    System,
}

/// What a scope lets do: a letter of its second version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    Create,
    Read,
    Update,
    Delete,
    Search,
}

impl Right {
    /// In the order that the letters must be written in.
    const ALL: [(char, Self); 5] = [
        ('c', Self::Create),
        ('r', Self::Read),
        ('u', Self::Update),
        ('d', Self::Delete),
        ('s', Self::Search),
    ];
}

/// One scope.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scope<'a> {
    pub(super) whose: Whose,
    /// `None` for `*`.
    of: Option<ResourceType>,
    rights: Vec<Right>,
    /// Search criteria that the resources must meet.
    pub(super) query: Option<&'a str>,
}

impl<'a> Scope<'a> {
    /// Reads a scope of either version. `None` for what is none, such as `openid`.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (whose, rest) = text.split_once('/')?;
        let whose = match whose {
            "patient" => Whose::Patient,
            "user" => Whose::User,
            "system" => Whose::System,
            _ => return None,
        };
        let (name, rest) = rest.split_once('.')?;
        let of = match name {
            "*" => None,
            name => Some(ResourceType::parse(name)?),
        };
        let (rights, query) = match rest.split_once('?') {
            Some((rights, query)) => (rights, Some(query)),
            None => (rest, None),
        };
        let rights = match (rights, query) {
            ("read", None) => vec![Right::Read, Right::Search],
            ("write", None) => vec![Right::Create, Right::Update, Right::Delete],
            ("*", None) => Right::ALL.map(|(_, right)| right).to_vec(),
            (letters, _) => letters_of(letters)?,
        };
        Some(Self { whose, of, rights, query })
    }

    /// Whether it lets do that.
    pub(super) fn grants(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }

    /// Whether it is about that type. Our own types are about trust and access: `*` is not meant
    /// for them.
    pub(super) fn covers(&self, of: ResourceType) -> bool {
        self.of.map_or(!of.is_own(), |named| named == of)
    }
}

/// One letter or more, each once and in their order.
fn letters_of(text: &str) -> Option<Vec<Right>> {
    let mut order = Right::ALL.into_iter();
    let rights: Option<Vec<Right>> = text
        .chars()
        .map(|letter| order.find(|(known, _)| *known == letter).map(|(_, right)| right))
        .collect();
    rights.filter(|rights| !rights.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(text: &str) -> Option<String> {
        let scope = Scope::parse(text)?;
        let granted = Right::ALL.into_iter().filter(|(_, right)| scope.grants(*right));
        Some(granted.map(|(letter, _)| letter).collect())
    }

    #[test]
    fn scopes_of_both_versions_are_read() {
        for (text, expected) in [
            ("patient/Observation.read", "rs"),
            ("user/*.write", "cud"),
            ("system/*.*", "cruds"),
            ("patient/Patient.r", "r"),
            ("patient/*.rs", "rs"),
            ("user/Observation.cruds", "cruds"),
            ("user/Observation.cd?category=x", "cd"),
        ] {
            assert_eq!(rights(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_scope_is_not_read_as_one() {
        for text in [
            "openid",
            "launch/patient",
            "fhirUser",
            "",
            "patient/",
            "patient/Observation",
            "patient/Observation.",
            "patient/Observation.sr",
            "patient/Observation.rr",
            "patient/Observation.x",
            "patient/Observation.Read",
            "patient/Observation.read?category=x",
            "patient/Observation.*?category=x",
            "patient/observation.read",
            "patient/Nosuch.read",
            "Patient/Observation.read",
            "offline/Observation.read",
            "patient//Observation.read",
            "**.read",
        ] {
            assert_eq!(Scope::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_star_is_every_type_of_fhirs_and_none_of_ours() {
        let covers =
            |text, of| Scope::parse(text).unwrap().covers(ResourceType::parse(of).unwrap());
        assert!(covers("system/*.rs", "Patient"));
        assert!(!covers("system/*.rs", "User"));
        assert!(covers("system/User.rs", "User"));
        assert!(!covers("system/User.rs", "Patient"));
    }
}
