//! The systems under which identity providers keep their subjects in `User.identifier`.

use std::collections::{BTreeSet, HashMap};

use firewarden_fhir::{Id, Issue, Target};
use serde_json::{Map, Value};

use crate::introspector::{Introspector, provider_of};

/// A stored `IdentityProvider`. Only its system counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityProvider {
    id: Id,
    system: Option<String>,
}

impl IdentityProvider {
    /// Reads a stored identity provider. One without a usable system gives none.
    pub fn read(id: &Id, content: &Map<String, Value>) -> Self {
        let system = content.get("system").and_then(Value::as_str);
        let system = system.filter(|system| !system.is_empty()).map(str::to_owned);
        Self { id: id.clone(), system }
    }
}

/// Gives each introspector the system of the identity provider that it refers to. A system that
/// two providers claim counts for neither of them; which these are, in words.
///
/// INVARIANT: no system counts for an introspector that another one's subjects have, unless both
/// refer to one identity provider: the operator says so that they are one.
pub fn give_systems(
    introspectors: &mut [Introspector],
    providers: &[IdentityProvider],
) -> Vec<String> {
    let claims: Vec<Claim<'_>> = introspectors.iter().filter_map(Claim::of_stored).collect();
    let owners = Owners::of(&claims, providers);
    let given: Vec<Option<String>> =
        introspectors.iter().map(|one| owners.system_of(one, providers)).collect();
    let disputed = owners.disputed().map(|(system, owners)| in_words(system, owners)).collect();
    for (introspector, system) in introspectors.iter_mut().zip(given) {
        if let Some(trust) = &mut introspector.trust {
            trust.system = system;
        }
    }
    disputed
}

/// Whether introspectors and identity providers may be written beside those that are stored:
/// warnings if they may, else the system that would be that of several providers. `None` is a
/// deletion.
pub fn system_conflicts(
    stored: (&[Introspector], &[IdentityProvider]),
    written: &[(&Target, Option<&Map<String, Value>>)],
) -> Result<Vec<Issue>, Issue> {
    let is_written = |of: &str, id: &Id| {
        written.iter().any(|(target, _)| target.resource_type.name() == of && target.id == *id)
    };
    let saved = |of: &'static str| {
        let of_type = written.iter().filter(move |(target, _)| target.resource_type.name() == of);
        of_type.filter_map(|(target, content)| Some((&target.id, (*content)?)))
    };
    let (introspectors, providers) = stored;
    let mut after: Vec<IdentityProvider> =
        providers.iter().filter(|one| !is_written(PROVIDER, &one.id)).cloned().collect();
    after.extend(saved(PROVIDER).map(|(id, content)| IdentityProvider::read(id, content)));
    let stay = introspectors.iter().filter(|one| !is_written(INTROSPECTOR, &one.id));
    let mut claims: Vec<Claim<'_>> = stay.filter_map(Claim::of_stored).collect();
    claims.extend(saved(INTROSPECTOR).filter_map(|(id, content)| Claim::of_content(id, content)));
    let owners = Owners::of(&claims, &after);
    for (system, disputing) in owners.disputed() {
        let at = disputing.iter().find_map(|owner| owner.written_at(&claims, &is_written));
        if let Some(at) = at {
            return Err(Issue::error("conflict", in_words(system, disputing)).at(at));
        }
    }
    let referring = claims.iter().filter(|claim| is_written(INTROSPECTOR, claim.introspector));
    Ok(referring.filter_map(|claim| without_system(claim, &after)).collect())
}

const INTROSPECTOR: &str = "TokenIntrospector";
const PROVIDER: &str = "IdentityProvider";

/// Under which systems an active introspector's subjects would be found.
struct Claim<'a> {
    introspector: &'a Id,
    issuer: Option<&'a str>,
    provider: Option<Id>,
}

impl<'a> Claim<'a> {
    fn of_stored(introspector: &'a Introspector) -> Option<Self> {
        let trust = introspector.trust.as_ref().filter(|_| introspector.active)?;
        let (issuer, provider) = (trust.issuer.as_deref(), trust.identity_provider.clone());
        Some(Self { introspector: &introspector.id, issuer, provider })
    }

    fn of_content(id: &'a Id, content: &'a Map<String, Value>) -> Option<Self> {
        if content.get("active") == Some(&Value::Bool(false)) {
            return None;
        }
        let issuer = content.get("jwt").and_then(|jwt| jwt.get("iss")).and_then(Value::as_str);
        let provider = content.get("identity_provider").and_then(provider_of);
        Some(Self { introspector: id, issuer, provider })
    }
}

/// Whose subjects a system's are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    /// Those of every introspector that refers to this identity provider.
    Provider(Id),
    /// Those of one introspector, whose issuer the system is.
    Introspector(Id),
}

impl Owner {
    /// Where a request that writes it, or what refers to it, says so.
    fn written_at(
        &self,
        claims: &[Claim<'_>],
        is_written: &dyn Fn(&str, &Id) -> bool,
    ) -> Option<&'static str> {
        match self {
            Self::Introspector(id) => {
                is_written(INTROSPECTOR, id).then_some("TokenIntrospector.jwt.iss")
            }
            Self::Provider(id) if is_written(PROVIDER, id) => Some("IdentityProvider.system"),
            Self::Provider(id) => {
                let mut referring =
                    claims.iter().filter(|claim| claim.provider.as_ref() == Some(id));
                let written = referring.any(|claim| is_written(INTROSPECTOR, claim.introspector));
                written.then_some("TokenIntrospector.identity_provider")
            }
        }
    }
}

/// The owners of each system that counts anywhere.
struct Owners(HashMap<String, BTreeSet<Owner>>);

impl Owners {
    fn of(claims: &[Claim<'_>], providers: &[IdentityProvider]) -> Self {
        let mut owners: HashMap<String, BTreeSet<Owner>> = HashMap::new();
        for claim in claims {
            let system = claim.provider.as_ref().and_then(|id| system_of(id, providers));
            if let (Some(system), Some(provider)) = (system, &claim.provider) {
                let owner = Owner::Provider(provider.clone());
                owners.entry(system.to_owned()).or_default().insert(owner);
            }
            if let Some(issuer) = claim.issuer.filter(|issuer| system != Some(*issuer)) {
                let owner = Owner::Introspector(claim.introspector.clone());
                owners.entry(issuer.to_owned()).or_default().insert(owner);
            }
        }
        Self(owners)
    }

    /// The systems of more than one owner, one of which is a provider, in order.
    fn disputed(&self) -> impl Iterator<Item = (&str, &BTreeSet<Owner>)> {
        let is_disputed = |owners: &BTreeSet<Owner>| {
            owners.len() > 1 && owners.iter().any(|owner| matches!(owner, Owner::Provider(_)))
        };
        let mut disputed: Vec<_> = self
            .0
            .iter()
            .filter(|(_, owners)| is_disputed(owners))
            .map(|(system, owners)| (system.as_str(), owners))
            .collect();
        disputed.sort_by_key(|(system, _)| *system);
        disputed.into_iter()
    }

    /// The system of an introspector's provider, if it is nobody else's.
    fn system_of(
        &self,
        introspector: &Introspector,
        providers: &[IdentityProvider],
    ) -> Option<String> {
        let trust = introspector.trust.as_ref().filter(|_| introspector.active)?;
        let system = system_of(trust.identity_provider.as_ref()?, providers)?;
        (self.0.get(system)?.len() == 1).then(|| system.to_owned())
    }
}

fn system_of<'p>(id: &Id, providers: &'p [IdentityProvider]) -> Option<&'p str> {
    providers.iter().find(|provider| provider.id == *id)?.system.as_deref()
}

fn in_words(system: &str, owners: &BTreeSet<Owner>) -> String {
    let named = owners.iter().map(|owner| match owner {
        Owner::Provider(id) => format!("the IdentityProvider `{id}`"),
        Owner::Introspector(id) => format!("the TokenIntrospector `{id}`, whose `jwt.iss` it is"),
    });
    let named: Vec<String> = named.collect();
    format!(
        "users with the `system` `{system}` would be those of several providers: {}; if these are one, let the introspectors have one `identity_provider`",
        named.join("; ")
    )
}

/// The warning for an introspector whose provider gives it no system.
fn without_system(claim: &Claim<'_>, providers: &[IdentityProvider]) -> Option<Issue> {
    let id = claim.provider.as_ref()?;
    let told = match providers.iter().find(|provider| provider.id == *id) {
        Some(IdentityProvider { system: Some(_), .. }) => return None,
        Some(IdentityProvider { system: None, .. }) => {
            format!("the IdentityProvider `{id}` has no `system`: no user is found by it")
        }
        None => format!(
            "there is no IdentityProvider `{id}`: until there is one, no user is found by it"
        ),
    };
    Some(Issue::warning("business-rule", told).at("TokenIntrospector.identity_provider"))
}
