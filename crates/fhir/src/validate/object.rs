//! The members of an object: known, of the right JSON type, as many as there may be.

use serde_json::{Map, Value};

use super::{Place, Validator, primitive, suggest};
use crate::definitions::{Content, Element, Primitive, Shape};
use crate::limits;

/// A member of an object, with the `_member` that carries its extensions.
struct Member<'a> {
    name: &'a str,
    element: Element,
    content: Content,
    value: Option<&'a Value>,
    extended: Option<&'a Value>,
}

impl Validator {
    /// Checks an object against its shape.
    pub(super) fn object(&mut self, shape: &Shape, object: &Map<String, Value>, place: &Place<'_>) {
        if object.is_empty() {
            return self.refuse("structure", "an empty object: leave the element out", place);
        }
        self.deeper(place, |this| this.members(shape, object, place));
    }

    fn members(&mut self, shape: &Shape, object: &Map<String, Value>, place: &Place<'_>) {
        let has_extended = object.keys().any(|name| name.starts_with('_'));
        let mut present: Vec<Option<&str>> = vec![None; shape.elements.len()];
        for name in object.keys() {
            if self.is_full() {
                return;
            }
            if name == "resourceType" && shape.is_resource() {
                continue;
            }
            let Some((at, mut member)) = member(shape, object, name) else {
                self.refuse_unknown(shape, name, place);
                continue;
            };
            if has_extended && member.takes_extensions() {
                member.extended = object.get(&format!("_{}", member.name));
            }
            match present.get_mut(at) {
                Some(slot @ None) => *slot = Some(member.name),
                // `gender` was met before its `_gender`, and has been checked with it.
                Some(Some(first)) if *first == member.name => continue,
                _ => self.refuse_second_choice(shape, at, place),
            }
            self.member(&member, place);
        }
        let missing = shape.elements.iter().zip(&present);
        for (element, _) in missing.filter(|(it, name)| it.required && name.is_none()) {
            let place = Place::Element(place, element.name);
            self.refuse("required", format!("{} is missing", shown(*element)), &place);
        }
    }

    /// One level down, no deeper than JSON is read with: a patch can put together what is.
    fn deeper(&mut self, place: &Place<'_>, check: impl FnOnce(&mut Self)) {
        if self.depth >= limits::NESTING_DEPTH_MAX {
            let most = limits::NESTING_DEPTH_MAX;
            return self.refuse("structure", format!("nested deeper than {most} levels"), place);
        }
        self.depth += 1;
        check(self);
        self.depth -= 1;
    }

    fn member(&mut self, member: &Member<'_>, parent: &Place<'_>) {
        let place = Place::Element(parent, member.element.name);
        if member.element.repeats {
            return self.items(member, &place);
        }
        for value in [member.value, member.extended].into_iter().flatten() {
            if value.is_array() {
                let wanted = format!("`{}` does not repeat: write one value", member.name);
                return self.refuse("structure", wanted, &place);
            }
        }
        if let Some(value) = member.value {
            self.value(member.content, value, &place);
        }
        if let Some(extended) = member.extended {
            self.extensions(extended, &place);
        }
    }

    fn items(&mut self, member: &Member<'_>, place: &Place<'_>) {
        let (values, extended) = match (list(member.value), list(member.extended)) {
            (Ok(values), Ok(extended)) => (values, extended),
            (Err(what), _) | (_, Err(what)) => {
                return self.refuse("structure", format!("`{}` {what}", member.name), place);
            }
        };
        if !values.is_empty() && !extended.is_empty() && values.len() != extended.len() {
            let wanted = format!("`{0}` and `_{0}` must be of one length", member.name);
            return self.refuse("structure", wanted, place);
        }
        self.deeper(place, |this| this.each(member.content, values, extended, place));
    }

    fn each(&mut self, content: Content, values: &[Value], extended: &[Value], place: &Place<'_>) {
        for at in 0..values.len().max(extended.len()) {
            if self.is_full() {
                return;
            }
            let place = Place::Item(place, at);
            let value = values.get(at).unwrap_or(&Value::Null);
            let extended = extended.get(at).unwrap_or(&Value::Null);
            // A null holds the place of a value that has extensions only, or of no extensions.
            if !value.is_null() || extended.is_null() {
                self.value(content, value, &place);
            }
            if !extended.is_null() {
                self.extensions(extended, &place);
            }
        }
    }

    fn value(&mut self, content: Content, value: &Value, place: &Place<'_>) {
        if value.is_null() {
            return self.refuse("structure", "a null: leave the element out", place);
        }
        if let Content::Primitive(primitive) = content {
            if let Err(refusal) = primitive::check(primitive, value) {
                self.refuse(refusal.code, refusal.diagnostics, place);
            }
            return;
        }
        let Value::Object(object) = value else {
            let type_name = self.tables.type_name(content);
            let wanted = format!("not an object: write a {type_name} in braces");
            return self.refuse("structure", wanted, place);
        };
        match content {
            Content::Shape(id) => {
                if let Some(shape) = self.tables.shape(id) {
                    self.object(shape, object, place);
                }
            }
            Content::Resource => self.resource(object, place),
            Content::Primitive(_) => {}
        }
    }

    /// Checks what stands in `_member`: the id and the extensions of a primitive value.
    fn extensions(&mut self, value: &Value, place: &Place<'_>) {
        match (value, self.tables.named("Element")) {
            (Value::Object(object), Some(shape)) => self.object(shape, object, place),
            _ => self.refuse(
                "structure",
                "the member with the underscore must be an object of `id` and `extension`",
                place,
            ),
        }
    }

    fn refuse_unknown(&mut self, shape: &Shape, name: &str, place: &Place<'_>) {
        let diagnostics = suggest::unknown(shape, name);
        // The path is FHIRPath: a name that could not stand in one is told in the text alone.
        if suggest::is_plain(name) {
            self.refuse("structure", diagnostics, &Place::Element(place, name));
        } else {
            self.refuse("structure", diagnostics, place);
        }
    }

    fn refuse_second_choice(&mut self, shape: &Shape, at: usize, place: &Place<'_>) {
        if let Some(element) = shape.elements.get(at) {
            let wanted = format!("{} has several types: write one", shown(*element));
            self.refuse("structure", wanted, &Place::Element(place, element.name));
        }
    }
}

impl Member<'_> {
    /// Whether there can be a `_member`: of primitive values but XHTML.
    fn takes_extensions(&self) -> bool {
        matches!(self.content, Content::Primitive(it) if it != Primitive::Xhtml)
    }
}

/// The member that a name of an object stands for, be it `name` or `_name`.
fn member<'a>(
    shape: &Shape,
    object: &'a Map<String, Value>,
    name: &'a str,
) -> Option<(usize, Member<'a>)> {
    let plain = name.strip_prefix('_').unwrap_or(name);
    let (at, element, content) = shape.member(plain)?;
    let member = Member { name: plain, element, content, value: object.get(plain), extended: None };
    (plain == name || member.takes_extensions()).then_some((at, member))
}

/// The values of an element that repeats; none when the member is absent.
fn list(value: Option<&Value>) -> Result<&[Value], &'static str> {
    match value {
        None => Ok(&[]),
        Some(Value::Array(items)) if items.is_empty() => Err("is empty: leave it out"),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err("repeats: write an array"),
    }
}

fn shown(element: Element) -> String {
    if element.is_choice { format!("`{}[x]`", element.name) } else { format!("`{}`", element.name) }
}
