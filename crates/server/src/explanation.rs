//! A decision and its reasons in JSON, for administrators.

mod mask;

use firewarden_access::{Caller, DenialReason, Explanation, Reason, Reasons};
use firewarden_fhir::{Interaction, Issue};
use serde_json::{Map, Value, json};

pub(crate) use self::mask::masked;
use crate::traces::Line;

/// A decision to be told.
pub(crate) struct Told<'a> {
    pub(crate) interaction: &'a Interaction,
    pub(crate) caller: &'a Caller,
    /// Why it is refused; `None` where it is allowed.
    pub(crate) refused: Option<DenialReason>,
    pub(crate) ruled_by: &'static str,
    pub(crate) granted_by: &'a [String],
    pub(crate) rows: Option<String>,
    pub(crate) reasons: Reasons,
}

impl Told<'_> {
    /// In JSON: the request line, the caller, the decision, and what each policy says.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let mut told = Map::new();
        told.insert("request".to_owned(), line(self.interaction));
        told.insert("caller".to_owned(), Value::Object(caller(self.caller)));
        told.insert(
            "decision".to_owned(),
            if self.refused.is_some() { "deny" } else { "allow" }.into(),
        );
        told.extend(self.refused.map(|why| ("reason".to_owned(), why.name().into())));
        told.insert("ruled-by".to_owned(), self.ruled_by.into());
        told.insert("granted-by".to_owned(), json!(self.granted_by));
        if let (Some(rows), Some(of)) = (&self.rows, self.interaction.resource_type()) {
            told.insert("rows".to_owned(), json!({of.name(): rows}));
        }
        let considered = self.reasons.list.iter().map(reason).collect();
        told.insert("considered".to_owned(), considered);
        if self.reasons.left_out > 0 {
            told.insert("left-out".to_owned(), self.reasons.left_out.into());
        }
        told
    }
}

/// The explanation of a request that was not made, or not done.
pub(crate) fn of_request(
    line: &Line,
    caller: &Caller,
    explanation: &Explanation,
    defect: Option<&Issue>,
) -> Value {
    let Explanation { refused, ruled_by, granted_by, rows, reasons } = explanation;
    let told = Told {
        interaction: line.interaction(),
        caller,
        refused: *refused,
        ruled_by,
        granted_by,
        rows: rows.clone(),
        reasons: reasons.clone(),
    };
    let mut told = told.to_json();
    told.extend(defect.map(|issue| ("defect".to_owned(), issue.to_json())));
    Value::Object(told)
}

fn reason(reason: &Reason) -> Value {
    let mut told = Map::new();
    told.insert("policy".to_owned(), reason.policy.as_str().into());
    told.insert("verdict".to_owned(), reason.verdict.name().into());
    told.extend(reason.failing.clone().map(|failing| ("failing".to_owned(), failing)));
    told.extend(reason.rows.clone().map(|rows| ("rows".to_owned(), rows.into())));
    told.extend(reason.note.clone().map(|note| ("note".to_owned(), note.into())));
    Value::Object(told)
}

/// The request line as policies see it. The parameters are those that apply; a cursor is not shown.
fn line(interaction: &Interaction) -> Value {
    let mut params: Map<String, Value> = Map::new();
    for (name, value) in interaction.parameters() {
        let value = if name == "_cursor" { "***" } else { value.as_str() };
        match params.get_mut(name) {
            None => drop(params.insert(name.clone(), value.into())),
            Some(Value::Array(values)) => values.push(value.into()),
            Some(first) => *first = json!([first.take(), value]),
        }
    }
    json!({
        "method": interaction.method(),
        "uri": interaction.uri(),
        "params": params,
        "operation": interaction.operation_id(),
    })
}

fn caller(caller: &Caller) -> Map<String, Value> {
    let mut told = Map::new();
    if caller.is_anonymous() {
        told.insert("anonymous".to_owned(), true.into());
        return told;
    }
    let id = |content: &Map<String, Value>| content.get("id").cloned();
    let members = [
        ("user", caller.user.as_deref().and_then(id)),
        ("client", caller.client.as_deref().and_then(id)),
        ("introspector", caller.session.introspector.as_ref().map(|id| id.as_str().into())),
        ("scope", caller.session.scope.as_deref().map(Value::from)),
        ("issuer", caller.session.issuer.as_deref().map(Value::from)),
    ];
    for (name, value) in members {
        told.extend(value.map(|value| (name.to_owned(), value)));
    }
    let roles: Vec<Value> =
        caller.roles.iter().filter_map(|role| role.get("name").cloned()).collect();
    if !roles.is_empty() {
        told.insert("roles".to_owned(), Value::Array(roles));
    }
    told
}

/// About how many bytes a resource's content is.
pub(crate) fn json_bytes(content: &Map<String, Value>) -> usize {
    content.iter().map(|(name, value)| name.len() + 64 + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| 32 + value_bytes(item)).sum(),
        Value::Object(members) => json_bytes(members),
    }
}
