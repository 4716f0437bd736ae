//! Where the index holds what a criterion asks for: ranges of index tables, as SQL.

use firewarden_fhir::ResourceType;
use firewarden_fhir::search::{Criterion, ReferenceValue, StringMatch, TokenValue};

use super::ranges;
use crate::StoreError;
use crate::condition::Condition;
use crate::database::{Result as Found, Sql, unavailable};
use crate::engine::dictionary::{NO_SYSTEM, TypeCode, find_system};
use crate::engine::judge::Judge;
use crate::fold::cut;
use crate::index::key_text;
use crate::limits::{KEY_TEXT_BYTES_MAX, UNION_LEGS_MAX};
use crate::matches::Comparison;
use crate::packed::ParameterCode;

/// A cut key is at least this long; shorter ones are whole.
const WHOLE_KEY_BYTES_MAX: usize = KEY_TEXT_BYTES_MAX - 4;

/// The number that stands for the type of what a URL refers to.
const NO_TARGET_TYPE: i64 = 0;

/// The conditions on what a reference's target is.
const OF_TARGET: [&str; 2] = ["target = ?", "target_type = ?"];

/// One stretch of an index table.
#[derive(Debug)]
pub(crate) struct Leg {
    pub table: &'static str,
    /// The column that holds the resource's key.
    pub column: &'static str,
    /// Joined by `AND`, with a `?` for each value.
    pub conditions: Vec<&'static str>,
    pub values: Vec<Sql<'static>>,
}

/// Where the candidates of one criterion are: at least those resources that meet it.
#[derive(Debug)]
pub(crate) struct Source {
    pub legs: Vec<Leg>,
    /// Whether each leg gives its resources in the order of their keys.
    pub ordered: bool,
    /// Whether each resource it gives meets the criterion.
    pub exact: bool,
}

/// Finds the sources of conditions on a type, where the index can give their candidates.
pub(crate) struct Finder<'a> {
    pub judge: &'a Judge<'a>,
    pub resource_type: ResourceType,
    /// So many candidates of other resources are looked up to learn which of them are meant.
    pub looked_up_max: usize,
}

impl Finder<'_> {
    /// `None` when most of the type may meet the condition (`:missing`, `:not`, `ne`), or when it
    /// looks up more than it may.
    pub(crate) fn source(&self, condition: &Condition<'_>) -> Result<Option<Source>, StoreError> {
        let mut source = match condition {
            Condition::Comparison(comparison) => self.comparison(comparison).map_err(unavailable),
            Condition::Any(alternatives) => self.any(alternatives),
            Condition::Chain { parameter, targets } => self.chain(*parameter, targets),
            Condition::Has { source, parameter, referring } => {
                self.has((*source, *parameter), referring)
            }
        }?;
        if let Some(source) = &mut source {
            // So many merged orders cost more than putting the candidates in order.
            source.ordered &= source.legs.len() <= UNION_LEGS_MAX;
        }
        Ok(source)
    }

    pub(super) fn type_code(&self) -> TypeCode {
        self.judge.dictionary.resource_type(self.resource_type)
    }

    fn comparison(&self, condition: &Comparison<'_>) -> Found<Option<Source>> {
        let source = match condition.criterion {
            Criterion::Missing { .. }
            | Criterion::Token { negated: true, .. }
            // These are no comparisons.
            | Criterion::Chain { .. }
            | Criterion::Has { .. }
            | Criterion::Any(_) => return Ok(None),
            Criterion::Id(ids) => {
                let legs = ids.iter().map(|id| self.leg_of_id(id.as_str())).collect();
                Source { legs, ordered: true, exact: true }
            }
            Criterion::LastUpdated(comparisons) => {
                let legs: Option<Vec<_>> =
                    comparisons.iter().map(|c| ranges::updated(c, self.type_code())).collect();
                let Some(legs) = legs else { return Ok(None) };
                Source { legs, ordered: false, exact: false }
            }
            Criterion::String { how, values, .. } => self.string(*how, values, condition),
            Criterion::Token { values, .. } => self.token(values, condition)?,
            Criterion::Reference { values, .. } => self.reference(values, condition),
            Criterion::Date { values, .. } => {
                match values.iter().map(ranges::date).collect::<Option<Vec<_>>>() {
                    Some(ranges) => self.ranges("date_index", ranges.concat(), condition),
                    None => return Ok(None),
                }
            }
            Criterion::Number { values, .. } => {
                match values.iter().map(ranges::number).collect::<Option<Vec<_>>>() {
                    Some(ranges) => self.ranges("number_index", ranges.concat(), condition),
                    None => return Ok(None),
                }
            }
            Criterion::Quantity { values, .. } => {
                let ranges = values.iter().map(|v| ranges::number(&v.number));
                let Some(ranges) = ranges.collect::<Option<Vec<_>>>() else { return Ok(None) };
                // Units are not in the index.
                let exact = values.iter().all(|v| v.system.is_none() && v.code.is_none());
                Source { exact, ..self.ranges("quantity_index", ranges.concat(), condition) }
            }
            Criterion::Uri { values, .. } => {
                let leg = |uri: &String| {
                    self.leg("uri_index", condition, &["value = ?"], [text(key_text(uri))])
                };
                Source {
                    legs: values.iter().map(leg).collect(),
                    ordered: true,
                    exact: values.iter().all(|uri| is_whole(uri)),
                }
            }
        };
        Ok(Some(source))
    }

    /// One resource of the type.
    pub(super) fn leg_of_id(&self, id: &str) -> Leg {
        Leg {
            table: "resource",
            column: "key",
            conditions: vec!["type = ?", "id = ?", "deleted = 0"],
            values: vec![self.type_code().into(), text(id)],
        }
    }

    /// What refers by a parameter to one resource.
    pub(super) fn leg_of_target(
        &self,
        parameter: Option<ParameterCode>,
        (target, id): (ResourceType, &str),
    ) -> Leg {
        let target = Sql::from(self.judge.dictionary.resource_type(target));
        self.leg_of("reference_index", parameter, &OF_TARGET, [text(id), target])
    }

    fn leg(
        &self,
        table: &'static str,
        condition: &Comparison<'_>,
        conditions: &[&'static str],
        values: impl IntoIterator<Item = Sql<'static>>,
    ) -> Leg {
        self.leg_of(table, condition.parameter, conditions, values)
    }

    fn leg_of(
        &self,
        table: &'static str,
        parameter: Option<ParameterCode>,
        conditions: &[&'static str],
        values: impl IntoIterator<Item = Sql<'static>>,
    ) -> Leg {
        // 0 is no parameter's number.
        let parameter = i64::from(parameter.unwrap_or(0));
        Leg {
            table,
            column: "resource",
            conditions: ["type = ?", "parameter = ?"].iter().chain(conditions).copied().collect(),
            values: [self.type_code().into(), parameter.into()].into_iter().chain(values).collect(),
        }
    }

    fn ranges(
        &self,
        table: &'static str,
        ranges: Vec<ranges::Range>,
        condition: &Comparison<'_>,
    ) -> Source {
        let leg =
            |range: ranges::Range| self.leg(table, condition, &range.conditions, range.values);
        Source { legs: ranges.into_iter().map(leg).collect(), ordered: false, exact: true }
    }

    fn string(&self, how: StringMatch, sent: &[String], condition: &Comparison<'_>) -> Source {
        let folded = &condition.folded;
        let leg = |conditions: &[&'static str], values: Vec<Sql<'static>>| {
            self.leg("string_index", condition, conditions, values)
        };
        let sought = || folded.iter().filter(|f| !f.is_empty());
        match how {
            StringMatch::Exact => Source {
                legs: folded.iter().map(|f| leg(&["value = ?"], vec![text(key_text(f))])).collect(),
                ordered: true,
                exact: false,
            },
            StringMatch::Start => {
                let start = |f: &String| {
                    let start = cut(f, WHOLE_KEY_BYTES_MAX);
                    match ranges::after_all(start) {
                        Some(end) => {
                            leg(&["value >= ?", "value < ?"], vec![text(start), text(&end)])
                        }
                        None => leg(&["value >= ?"], vec![text(start)]),
                    }
                };
                Source {
                    legs: sought().map(start).collect(),
                    ordered: false,
                    exact: folded.iter().all(|f| is_whole(f)),
                }
            }
            StringMatch::Contains => {
                // What was cut from a key may contain it as well.
                let within = ["(instr(value, ?) > 0 OR octet_length(value) >= ?)"];
                let legs = sought()
                    .map(|f| leg(&within, vec![text(f), (WHOLE_KEY_BYTES_MAX as i64).into()]));
                Source { legs: legs.take(sent.len()).collect(), ordered: false, exact: false }
            }
        }
    }

    fn token(&self, values: &[TokenValue], condition: &Comparison<'_>) -> Found<Source> {
        let mut source = Source { legs: Vec::new(), ordered: true, exact: true };
        let leg = |conditions: &[&'static str], values: Vec<Sql<'static>>| {
            self.leg("token_index", condition, conditions, values)
        };
        for value in values {
            let (system, code) = match value {
                TokenValue::Code(code) => (None, Some(code)),
                TokenValue::SystemCode(system, code) => (Some(Some(system)), Some(code)),
                TokenValue::NoSystemCode(code) => (Some(None), Some(code)),
                TokenValue::System(system) => (Some(Some(system)), None),
            };
            let system = match system {
                Some(Some(uri)) => match find_system(self.judge.reading.session, uri)? {
                    Some(number) => Some(number),
                    // No code of that system is stored.
                    None => continue,
                },
                Some(None) => Some(NO_SYSTEM),
                None => None,
            };
            source.exact &= code.is_none_or(|code| is_whole(code));
            source.ordered &= code.is_some();
            let code = code.map(|code| text(key_text(code)));
            source.legs.push(match (code, system) {
                (Some(code), None) => leg(&["code = ?"], vec![code]),
                (Some(code), Some(s)) => leg(&["code = ?", "system = ?"], vec![code, s.into()]),
                (None, system) => leg(&["system = ?"], vec![system.unwrap_or(NO_SYSTEM).into()]),
            });
        }
        Ok(source)
    }

    fn reference(&self, values: &[ReferenceValue], condition: &Comparison<'_>) -> Source {
        let mut source = Source { legs: Vec::new(), ordered: true, exact: true };
        let leg = |conditions: &[&'static str], values: Vec<Sql<'static>>| {
            self.leg("reference_index", condition, conditions, values)
        };
        for value in values {
            match value {
                ReferenceValue::Id(types, id) => {
                    let of = |of: &_| self.leg_of_target(condition.parameter, (*of, id.as_str()));
                    source.legs.extend(types.iter().map(of));
                }
                ReferenceValue::Target(target) => {
                    let target = (target.resource_type, target.id.as_str());
                    source.legs.push(self.leg_of_target(condition.parameter, target));
                }
                ReferenceValue::Absolute(url) => {
                    source.exact &= is_whole(url);
                    source
                        .legs
                        .push(leg(&OF_TARGET, vec![text(key_text(url)), NO_TARGET_TYPE.into()]));
                    if !url.contains('|') && is_whole(url) {
                        // `}` follows `|`: every version of a canonical.
                        let ends = vec![
                            text(&format!("{url}|")),
                            text(&format!("{url}}}")),
                            NO_TARGET_TYPE.into(),
                        ];
                        let versions = ["target >= ?", "target < ?", "target_type = ?"];
                        source.legs.push(leg(&versions, ends));
                        source.ordered = false;
                    }
                }
            }
        }
        source
    }
}

fn text(text: &str) -> Sql<'static> {
    Sql::from(text.to_owned())
}

/// Whether a key that equals the text is that text, and not a longer one's beginning.
fn is_whole(text: &str) -> bool {
    text.len() < WHOLE_KEY_BYTES_MAX
}
