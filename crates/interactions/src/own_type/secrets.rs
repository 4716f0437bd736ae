//! Takes the secrets out of a resource that is saved, and keeps those that come back masked.

use firewarden_access::RowFilter;
pub use firewarden_access::own_type::MASK;
use firewarden_fhir::{Issue, ResourceType, Target, json};
use firewarden_store::{Read, SecretChange, Store};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{Failure, OwnTypes};

/// Puts masks in the places of secrets; the secrets, by JSON Pointer.
pub(super) async fn take(
    own_types: &dyn OwnTypes,
    resource_type: ResourceType,
    root: &mut Value,
) -> Result<Vec<(String, SecretChange)>, Failure> {
    let mut secrets = Vec::new();
    for pointer in secret_places(own_types, resource_type, root) {
        let secret = match root.pointer_mut(&pointer) {
            None => continue,
            Some(Value::String(secret)) => secret,
            // Anything else would be stored, and shown, as it is.
            Some(_) => {
                let place = pointer.replace('/', ".");
                let issue = Issue::error("value", "a secret is a text");
                return Err(Failure::Invalid(vec![issue.at(format!("{resource_type}{place}"))]));
            }
        };
        let sent = Zeroizing::new(std::mem::replace(secret, MASK.to_owned()));
        let change = if sent.as_str() == MASK {
            SecretChange::Keep
        } else {
            let kept = own_types.kept_form(resource_type, sent).await;
            let busy = || Failure::Unavailable("too many secrets are being hashed".to_owned());
            SecretChange::Set(kept.ok_or_else(busy)?)
        };
        secrets.push((pointer, change));
    }
    Ok(secrets)
}

/// The pointers at which a resource of that type may hold secrets.
pub(crate) fn secret_places(
    own_types: &dyn OwnTypes,
    resource_type: ResourceType,
    root: &Value,
) -> Vec<String> {
    let patterns = own_types.secret_pointers(resource_type);
    patterns.iter().flat_map(|pattern| places(root, pattern)).collect()
}

/// The pointers that a pattern means in this resource.
fn places(root: &Value, pattern: &str) -> Vec<String> {
    let Some((list, rest)) = pattern.split_once("/*") else {
        return vec![pattern.to_owned()];
    };
    let entries = root.pointer(list).and_then(Value::as_array).map_or(0, Vec::len);
    (0..entries).flat_map(|index| places(root, &format!("{list}/{index}{rest}"))).collect()
}

/// A mask in an entry of a list keeps the secret at its index. Were the list in another order, it
/// would give one entry the secret of another: so the entry must otherwise be as it is stored. What
/// is read here is what the write replaces, or the write is not applied: every change of our own
/// types makes its decision stale.
pub(super) async fn check_kept(
    store: &Store,
    target: &Target,
    root: &Value,
    secrets: &[(String, SecretChange)],
    rows: &RowFilter,
) -> Result<(), Failure> {
    let kept = secrets.iter().filter(|(_, change)| matches!(change, SecretChange::Keep));
    let entries: Vec<&str> = kept.filter_map(|(pointer, _)| entry_of(pointer)).collect();
    if entries.is_empty() {
        return Ok(());
    }
    // One that is not there keeps nothing, and the store says so.
    let Read::Found(stored) = store.read(target, rows).await? else {
        return Ok(());
    };
    let stored = json::parse(stored.body.as_bytes()).unwrap_or_default();
    match entries.iter().find(|entry| !is_same_entry(root, &stored, entry)) {
        None => Ok(()),
        Some(entry) => {
            let text = "`***` keeps the secret of an entry that stands at the same place in its list and is otherwise unchanged; this one differs from what is stored: send its secret";
            let issue = Issue::error("value", text).at(expression(target.resource_type, entry));
            Err(Failure::Invalid(vec![issue]))
        }
    }
}

/// Whether an entry of a list is the stored one. Several that differ in their secrets alone are told
/// apart by their index, which counts only while the list is as long as it was.
fn is_same_entry(root: &Value, stored: &Value, entry: &str) -> bool {
    let list = entry.rsplit_once('/').map_or("", |(list, _)| list);
    let entries = |of| Value::pointer(of, list).and_then(Value::as_array).map_or(&[][..], |e| e);
    let (now, then) = (root.pointer(entry), stored.pointer(entry));
    let alike = entries(stored).iter().filter(|other| Some(*other) == then).count();
    now == then && (alike == 1 || entries(root).len() == entries(stored).len())
}

/// The pointer of the list's entry that a pointer leads through: up to its last index.
fn entry_of(pointer: &str) -> Option<&str> {
    let is_index = |step: &str| !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit());
    let mut entry = pointer;
    while let Some((above, last)) = entry.rsplit_once('/') {
        if is_index(last) {
            return Some(entry);
        }
        entry = above;
    }
    None
}

/// A JSON Pointer as an issue's expression: `/jwt/keys/0` is `TokenIntrospector.jwt.keys[0]`.
fn expression(resource_type: ResourceType, pointer: &str) -> String {
    let mut text = resource_type.name().to_owned();
    for step in pointer.split('/').skip(1) {
        if step.bytes().all(|b| b.is_ascii_digit()) {
            text.push_str(&format!("[{step}]"));
        } else {
            text.push('.');
            text.push_str(step);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_means_every_index_of_a_list() {
        let root = json!({"a": {"keys": [{"k": "x"}, {"pub": "y"}]}, "b": [[1], [2, 3]]});
        for (pattern, expected) in [
            ("/secret", vec!["/secret"]),
            ("/a/keys/*/k", vec!["/a/keys/0/k", "/a/keys/1/k"]),
            ("/a/keys/*/k/k", vec!["/a/keys/0/k/k", "/a/keys/1/k/k"]),
            ("/b/*/*", vec!["/b/0/0", "/b/1/0", "/b/1/1"]),
            ("/a/*", vec![]),
            ("/c/*/k", vec![]),
        ] {
            assert_eq!(places(&root, pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn a_mask_is_of_the_entry_at_its_index() {
        let key = |id: &str| json!({"kid": id, "k": "***"});
        for (stored, now, index, expected) in [
            (vec!["a", "b"], vec!["a", "b"], 1, true),
            (vec!["a", "b"], vec!["a", "b", "c"], 1, true),
            (vec!["a", "b"], vec!["a"], 0, true),
            (vec!["a", "b"], vec!["b"], 0, false),
            (vec!["a", "b"], vec!["b", "a"], 0, false),
            (vec!["a"], vec!["a", "b"], 1, false),
            (vec!["a", "a"], vec!["a", "a"], 1, true),
            (vec!["a", "a"], vec!["a"], 0, false),
            (vec!["a", "a"], vec!["a", "a", "a"], 0, false),
        ] {
            let list =
                |ids: &[&str]| json!({"keys": ids.iter().map(|id| key(id)).collect::<Vec<_>>()});
            let same = is_same_entry(&list(&now), &list(&stored), &format!("/keys/{index}"));
            assert_eq!(same, expected, "{stored:?} {now:?} {index}");
        }
    }

    #[test]
    fn a_pointer_knows_its_entry() {
        let of = ResourceType::parse("TokenIntrospector").unwrap();
        for (pointer, expected) in [
            ("/secret", None),
            ("/jwt/keys/0/k", Some("TokenIntrospector.jwt.keys[0]")),
            ("/jwt/keys/12/k/k", Some("TokenIntrospector.jwt.keys[12]")),
        ] {
            let found = entry_of(pointer).map(|entry| expression(of, entry));
            assert_eq!(found.as_deref(), expected, "{pointer}");
        }
    }
}
