//! What a client may have meant by a name that is no element.

use crate::definitions::Shape;

/// Longer names are not repeated to the client, and no element's is.
const NAME_LENGTH_MAX: usize = 64;
/// Types of a choice named in one issue; an extension's value has 50.
const CHOICES_SHOWN_MAX: usize = 12;

/// The text for a member that the shape does not have.
pub(super) fn unknown(shape: &Shape, name: &str) -> String {
    if !is_plain(name.strip_prefix('_').unwrap_or(name)) {
        return "unknown element".to_owned();
    }
    let unknown = format!("unknown element `{name}`");
    if let Some(plain) = name.strip_prefix('_').filter(|plain| shape.member(plain).is_some()) {
        return format!("{unknown}: `{plain}` is not primitive, its extensions stand in it");
    }
    if let Some(choice) =
        shape.elements.iter().find(|it| it.is_choice && is_choice_of(it.name, name))
    {
        let members: Vec<String> =
            shape.members_of(choice.name).map(|(member, _)| format!("`{member}`")).collect();
        if let Some(members) = members.get(..CHOICES_SHOWN_MAX) {
            return format!("{unknown}; its type belongs in the name: {} …", members.join(", "));
        }
        return format!("{unknown}; its type belongs in the name: {}", members.join(", "));
    }
    let near = |member: &&str| is_near(name, member);
    match shape.member_names().find(near) {
        Some(member) => format!("{unknown}; did you mean `{member}`"),
        None => unknown,
    }
}

/// Whether a name is short and could stand in a FHIRPath.
pub(super) fn is_plain(name: &str) -> bool {
    name.len() <= NAME_LENGTH_MAX
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// `value` or `valueSomething`.
fn is_choice_of(choice: &str, name: &str) -> bool {
    name.strip_prefix(choice)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// Whether two names are the same but for case, or for one slip of the keyboard (two in a name of
/// more than six letters).
fn is_near(name: &str, member: &str) -> bool {
    let slips = if name.len() > 6 { 2 } else { 1 };
    name.eq_ignore_ascii_case(member)
        || (name.len().abs_diff(member.len()) <= slips && distance(name, member) <= slips)
}

/// How many letters were added, left out, changed or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, letter) in a.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in b.iter().enumerate() {
            let at = |costs: &[usize], column: usize| {
                costs.get(column).copied().unwrap_or(usize::MAX / 2)
            };
            let mut least = at(&last, column) + usize::from(letter != other);
            least = least.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            let is_swapped = row > 0
                && column > 0
                && a.get(row - 1) == Some(other)
                && b.get(column - 1) == Some(letter);
            if is_swapped {
                least = least.min(at(&before_last, column - 1) + 1);
            }
            current.push(least);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or_default()
}
