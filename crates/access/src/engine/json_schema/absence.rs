//! What a comparison with an absent value is taken to say: whatever lets the rule hold least.

use serde_json::{Map, Value};

use super::keywords::{self, Kind};
use super::schema::resolve;
use super::sent_value;
use crate::limits::ABSENT_UNCERTAIN_MAX;

/// How the rule depends on one comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dependence {
    /// An equality only helps the rule to hold.
    Helps,
    /// An equality only hinders it: it stands under `not`.
    Hinders,
    /// Either, under `if` and `oneOf`, or where both occur.
    Uncertain,
}

impl Dependence {
    fn turned(self) -> Self {
        match self {
            Self::Helps => Self::Hinders,
            Self::Hinders => Self::Helps,
            Self::Uncertain => Self::Uncertain,
        }
    }
}

/// How a checked schema depends on each of its comparisons with values of the document.
pub(super) fn dependences(schema: &Value, comparisons: usize) -> Vec<Dependence> {
    let mut reader = Reader { root: schema, found: vec![None; comparisons] };
    reader.schema(schema, Dependence::Helps);
    let unused = Dependence::Uncertain;
    reader.found.into_iter().map(|found| found.unwrap_or(unused)).collect()
}

struct Reader<'a> {
    root: &'a Value,
    found: Vec<Option<Dependence>>,
}

impl Reader<'_> {
    /// A checked schema refers to nothing that holds it.
    fn schema(&mut self, schema: &Value, on: Dependence) {
        let Some(keywords) = resolve(self.root, schema).and_then(Value::as_object) else { return };
        self.comparison(keywords, on);
        for (name, value) in keywords {
            let on = match name.as_str() {
                "not" => on.turned(),
                "if" | "oneOf" => Dependence::Uncertain,
                _ => on,
            };
            match (keywords::kind(name), value) {
                // They count where they are referred to.
                _ if name == "definitions" => {}
                (Some(Kind::SchemaMap | Kind::Dependencies), Value::Object(schemas)) => {
                    schemas.values().for_each(|schema| self.schema(schema, on));
                }
                (Some(Kind::SchemaList | Kind::SchemaOrList), Value::Array(schemas)) => {
                    schemas.iter().for_each(|schema| self.schema(schema, on));
                }
                (Some(Kind::Schema | Kind::SchemaOrList), schema) => self.schema(schema, on),
                _ => {}
            }
        }
    }

    fn comparison(&mut self, keywords: &Map<String, Value>, on: Dependence) {
        let number = keywords.get(sent_value::KEYWORD).and_then(Value::as_u64);
        let number = number.and_then(|number| usize::try_from(number).ok());
        if let Some(found) = number.and_then(|number| self.found.get_mut(number)) {
            let other = found.is_some_and(|before| before != on);
            *found = Some(if other { Dependence::Uncertain } else { on });
        }
    }
}

/// The values to compare with, and for each absent one whether it is taken to be equal.
pub(super) type Laid = Vec<Result<Value, bool>>;

/// The least favourable ways to take the absent values: the rule holds when it holds in each.
/// `None` when there are too many.
pub(super) fn least_favourable(
    values: &[Option<Value>],
    dependences: &[Dependence],
) -> Option<Vec<Laid>> {
    let absent = values.iter().zip(dependences).filter(|(value, _)| value.is_none());
    let uncertain = absent.filter(|(_, on)| **on == Dependence::Uncertain).count();
    if uncertain > ABSENT_UNCERTAIN_MAX {
        return None;
    }
    let ways = (0..1_u32 << uncertain).map(|way| {
        let mut bits = way;
        let mut next = || {
            let bit = bits & 1 == 1;
            bits >>= 1;
            bit
        };
        let taken = |(value, on): (&Option<Value>, &Dependence)| match (value, on) {
            (Some(value), _) => Ok(value.clone()),
            (None, Dependence::Helps) => Err(false),
            (None, Dependence::Hinders) => Err(true),
            (None, Dependence::Uncertain) => Err(next()),
        };
        values.iter().zip(dependences).map(taken).collect()
    });
    Some(ways.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_comparison_helps_or_hinders_by_where_it_stands() {
        use Dependence::{Helps, Hinders, Uncertain};
        let it = json!({"firewarden:sent-value": 0});
        for (schema, expected) in [
            (it.clone(), Helps),
            (json!({"properties": {"a": {"items": [it]}}}), Helps),
            (json!({"anyOf": [{"not": it}]}), Hinders),
            (json!({"not": {"properties": {"a": {"not": it}}}}), Helps),
            (json!({"oneOf": [it]}), Uncertain),
            (json!({"if": {"not": it}, "then": false}), Uncertain),
            (json!({"if": true, "then": it}), Helps),
            (
                json!({"definitions": {"a": it}, "allOf": [{"not": {"$ref": "#/definitions/a"}}]}),
                Hinders,
            ),
            (
                json!({"definitions": {"a": it}, "allOf": [
                    {"$ref": "#/definitions/a"}, {"not": {"$ref": "#/definitions/a"}},
                ]}),
                Uncertain,
            ),
        ] {
            assert_eq!(dependences(&schema, 1), [expected], "{schema}");
        }
    }

    #[test]
    fn every_way_to_take_the_uncertain_is_tried_up_to_a_limit() {
        use Dependence::{Helps, Hinders, Uncertain};
        let ways = least_favourable(
            &[None, None, None, Some(json!(1))],
            &[Helps, Hinders, Uncertain, Helps],
        );
        let way = |equal| vec![Err(false), Err(true), Err(equal), Ok(json!(1))];
        assert_eq!(ways, Some(vec![way(false), way(true)]));
        let absent = |count| least_favourable(&vec![None; count], &vec![Uncertain; count]);
        assert_eq!(absent(ABSENT_UNCERTAIN_MAX).unwrap().len(), 1 << ABSENT_UNCERTAIN_MAX);
        assert_eq!(absent(ABSENT_UNCERTAIN_MAX + 1), None);
    }
}
