//! The element tables: which members an object of each type has in JSON.

use std::borrow::Cow;
use std::collections::HashMap;

/// A primitive data type (<https://hl7.org/fhir/R4/datatypes.html#primitive>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Primitive {
    Base64Binary,
    Boolean,
    Canonical,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Url,
    Uuid,
    Xhtml,
}

impl Primitive {
    const ALL: [(&'static str, Self); 20] = [
        ("base64Binary", Self::Base64Binary),
        ("boolean", Self::Boolean),
        ("canonical", Self::Canonical),
        ("code", Self::Code),
        ("date", Self::Date),
        ("dateTime", Self::DateTime),
        ("decimal", Self::Decimal),
        ("id", Self::Id),
        ("instant", Self::Instant),
        ("integer", Self::Integer),
        ("markdown", Self::Markdown),
        ("oid", Self::Oid),
        ("positiveInt", Self::PositiveInt),
        ("string", Self::String),
        ("time", Self::Time),
        ("unsignedInt", Self::UnsignedInt),
        ("uri", Self::Uri),
        ("url", Self::Url),
        ("uuid", Self::Uuid),
        ("xhtml", Self::Xhtml),
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, primitive)| *primitive)
    }

    /// Its name in the specification.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

/// What a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A primitive.
    Primitive(Primitive),
    /// An object of that shape.
    Shape(ShapeId),
    /// A resource of any type.
    Resource,
}

/// The place of a shape in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShapeId(usize);

/// An object's members: of a resource, a data type or a backbone element.
pub(crate) struct Shape {
    /// The type, or the backbone element's path: `Patient`, `HumanName`, `Patient.contact`.
    pub(crate) name: &'static str,
    /// Its elements, the inherited ones first.
    pub(crate) elements: Vec<Element>,
    members: Vec<Member>,
}

/// An element: one member of an object, or for a choice one of several.
#[derive(Clone, Copy)]
pub(crate) struct Element {
    /// Its name, for a choice without `[x]`.
    pub(crate) name: &'static str,
    /// Whether there must be one.
    pub(crate) required: bool,
    /// Whether there may be several: an array in JSON.
    pub(crate) repeats: bool,
    /// Whether its type is chosen by the member's name: `value[x]`.
    pub(crate) is_choice: bool,
    types: &'static str,
}

struct Member {
    name: Cow<'static, str>,
    element: usize,
    content: Content,
}

impl Shape {
    /// Whether it is a resource's.
    pub(crate) fn is_resource(&self) -> bool {
        self.elements.iter().any(|element| element.name == "implicitRules")
    }

    /// The element that a JSON member belongs to, its place among the elements, and what the
    /// member holds.
    pub(crate) fn member(&self, name: &str) -> Option<(usize, Element, Content)> {
        let at = self.members.binary_search_by(|member| (*member.name).cmp(name)).ok()?;
        let member = self.members.get(at)?;
        Some((member.element, *self.elements.get(member.element)?, member.content))
    }

    /// The JSON members of an element, each with what it holds: several for a choice.
    pub(crate) fn members_of<'a>(
        &'a self,
        element: &'a str,
    ) -> impl Iterator<Item = (&'a str, Content)> {
        let at = self.elements.iter().position(|known| known.name == element);
        self.members
            .iter()
            .filter(move |member| Some(member.element) == at)
            .map(|member| (&*member.name, member.content))
    }

    /// The names of all JSON members.
    pub(crate) fn member_names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| &*member.name)
    }
}

/// The shapes of all types.
pub(crate) struct ElementTables {
    shapes: Vec<Shape>,
    by_name: HashMap<&'static str, ShapeId>,
}

/// A row of the pack: name, base, own elements.
pub(super) type Row = (&'static str, &'static str, Vec<&'static str>);

impl ElementTables {
    /// The shape of that name.
    pub(crate) fn named(&self, name: &str) -> Option<&Shape> {
        self.id(name).and_then(|id| self.shape(id))
    }

    /// The place of the shape of that name.
    pub(crate) fn id(&self, name: &str) -> Option<ShapeId> {
        self.by_name.get(name).copied()
    }

    /// The shape at that place.
    pub(crate) fn shape(&self, id: ShapeId) -> Option<&Shape> {
        self.shapes.get(id.0)
    }

    /// The name of the type that a member holds.
    pub(crate) fn type_name(&self, content: Content) -> &'static str {
        match content {
            Content::Primitive(primitive) => primitive.name(),
            Content::Shape(id) => self.shape(id).map_or("", |shape| shape.name),
            Content::Resource => "Resource",
        }
    }

    /// Builds the tables. The error names what is wrong.
    pub(super) fn read(rows: &[Row]) -> Result<Self, String> {
        let by_name: HashMap<_, _> =
            rows.iter().enumerate().map(|(at, row)| (row.0, ShapeId(at))).collect();
        let own: Vec<Vec<Element>> = rows
            .iter()
            .map(|row| row.2.iter().map(|line| element(line)).collect())
            .collect::<Result<_, String>>()?;
        let mut tables = Self { shapes: Vec::with_capacity(rows.len()), by_name };
        for (name, base, _) in rows {
            let elements = tables.with_inherited(name, base, rows, &own)?;
            let members = tables.members(&elements)?;
            tables.shapes.push(Shape { name, elements, members });
        }
        Ok(tables)
    }

    fn with_inherited(
        &self,
        name: &str,
        base: &'static str,
        rows: &[Row],
        own: &[Vec<Element>],
    ) -> Result<Vec<Element>, String> {
        let mut chain = vec![name];
        let mut above = base;
        // The deepest chain is Age, Quantity, Element; a circle would never end.
        while !above.is_empty() && chain.len() < 8 {
            chain.push(above);
            above = self.row(above, rows)?.1;
        }
        let mut elements: Vec<Element> = Vec::new();
        for name in chain.into_iter().rev() {
            let id = self.by_name.get(name).ok_or_else(|| format!("no type `{name}`"))?;
            for element in own.get(id.0).into_iter().flatten() {
                match elements.iter_mut().find(|known| known.name == element.name) {
                    Some(known) => *known = *element,
                    None => elements.push(*element),
                }
            }
        }
        Ok(elements)
    }

    fn row<'a>(&self, name: &str, rows: &'a [Row]) -> Result<&'a Row, String> {
        let id = self.by_name.get(name).ok_or_else(|| format!("no type `{name}`"))?;
        rows.get(id.0).ok_or_else(|| format!("no row `{name}`"))
    }

    fn members(&self, elements: &[Element]) -> Result<Vec<Member>, String> {
        let mut members = Vec::with_capacity(elements.len());
        for (at, element) in elements.iter().enumerate() {
            for name in element.types.split('|') {
                let type_name = name.split_once('(').map_or(name, |(name, _)| name);
                let content = self.content(type_name)?;
                let name = if element.is_choice {
                    Cow::Owned(choice_member(element.name, type_name))
                } else {
                    Cow::Borrowed(element.name)
                };
                members.push(Member { name, element: at, content });
            }
        }
        members.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(members)
    }

    fn content(&self, type_name: &str) -> Result<Content, String> {
        if type_name == "Resource" {
            return Ok(Content::Resource);
        }
        if let Some(primitive) = Primitive::parse(type_name) {
            return Ok(Content::Primitive(primitive));
        }
        let id = self.by_name.get(type_name).ok_or_else(|| format!("no type `{type_name}`"))?;
        Ok(Content::Shape(*id))
    }
}

/// `value` and `dateTime` make `valueDateTime`.
fn choice_member(element: &str, type_name: &str) -> String {
    let mut letters = type_name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    element.chars().chain(first).chain(letters).collect()
}

/// Reads `name min..max type|type(target,target)`.
fn element(line: &'static str) -> Result<Element, String> {
    let mut words = line.split(' ');
    let parts = (words.next(), words.next().and_then(|count| count.split_once("..")), words.next());
    let (Some(name), Some((min, max)), Some(types)) = parts else {
        return Err(format!("not an element: `{line}`"));
    };
    let (name, is_choice) = match name.strip_suffix("[x]") {
        Some(name) => (name, true),
        None => (name, false),
    };
    // R4 has no other numbers.
    if !matches!((min, max), ("0" | "1", "1" | "*")) {
        return Err(format!("not an element: `{line}`"));
    }
    Ok(Element { name, required: min == "1", repeats: max == "*", is_choice, types })
}
