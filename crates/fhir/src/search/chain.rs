//! Chained parameters and `_has` (<https://hl7.org/fhir/R4/search.html#chaining>).

use crate::definitions::ParameterType;
use crate::search::criterion::{Condition, bad_value, not_supported};
use crate::search::{Criterion, ParseSearch};
use crate::{Definitions, Issue, ResourceType, limits};

/// How far the chains of one search have gone.
#[derive(Default)]
pub(super) struct Chains {
    depth: usize,
    followed: usize,
}

impl Chains {
    /// Reads what a chain says of a type that it follows.
    fn follow<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Issue>) -> Result<T, Issue> {
        let too_costly = |text: String| Err(Issue::error("too-costly", text));
        if self.depth == limits::CHAIN_DEPTH_MAX {
            let max = limits::CHAIN_DEPTH_MAX;
            return too_costly(format!("a chain has more than {max} links"));
        }
        if self.followed == limits::CHAINED_TYPES_MAX {
            let max = limits::CHAINED_TYPES_MAX;
            return too_costly(format!(
                "the chains of the search follow more than {max} types: name the types, as in \
                 `subject:Patient.name`"
            ));
        }
        self.depth += 1;
        self.followed += 1;
        let read = read(self)?;
        self.depth -= 1;
        Ok(read)
    }
}

impl ParseSearch<'_> {
    /// `reference.rest` or `reference:Type.rest`.
    pub(super) fn chain(
        &self,
        of: ResourceType,
        (reference, rest): (&str, &str),
        value: &str,
        chains: &mut Chains,
    ) -> Result<Condition, Issue> {
        let name = format!("{reference}.{rest}");
        let (code, only) = match reference.split_once(':') {
            Some((code, only)) => (code, Some(typed(&name, only)?)),
            None => (reference, None),
        };
        let Some(parameter) = Definitions::get().search_parameter(of, code) else {
            return Ok(Condition::unknown(of, code));
        };
        if parameter.kind != ParameterType::Reference {
            return Ok(Condition::Unknown(format!("`{code}` of `{of}` is not a reference")));
        }
        let mut targets = Vec::new();
        for target in parameter.followed_as(only) {
            let condition = chains.follow(|chains| self.condition(target, rest, value, chains))?;
            match condition {
                Condition::Known(criterion) => targets.push((target, vec![criterion])),
                Condition::Unknown(_) => {}
            }
        }
        if targets.is_empty() {
            return Ok(Condition::Unknown(format!(
                "nothing that `{reference}` follows has `{rest}`"
            )));
        }
        Ok(Condition::Known(Criterion::Chain { parameter, targets }))
    }

    /// What follows `_has:`, `Type:reference:rest`.
    pub(super) fn has(
        &self,
        of: ResourceType,
        path: &str,
        value: &str,
        chains: &mut Chains,
    ) -> Result<Condition, Issue> {
        let name = format!("_has:{path}");
        let mut parts = path.splitn(3, ':');
        let (Some(source), Some(code), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(not_supported(&name, "it is not `_has:Type:reference:parameter`"));
        };
        let source = typed(&name, source)?;
        let parameter = Definitions::get().search_parameter(source, code);
        let Some(parameter) = parameter.filter(|parameter| parameter.may_refer_to(of)) else {
            return Ok(Condition::Unknown(format!("`{source}:{code}` never refers to `{of}`")));
        };
        match chains.follow(|chains| self.condition(source, rest, value, chains))? {
            Condition::Known(criterion) => {
                let criteria = vec![criterion];
                Ok(Condition::Known(Criterion::Has { source, parameter, criteria }))
            }
            unknown @ Condition::Unknown(_) => Ok(unknown),
        }
    }
}

fn typed(name: &str, text: &str) -> Result<ResourceType, Issue> {
    ResourceType::parse(text).ok_or_else(|| bad_value(name, text, "a type of resource in its name"))
}
