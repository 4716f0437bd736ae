//! What a schema comes to when every `$ref` is written out.

use std::collections::HashMap;

use crate::element_path::ElementPath;
use crate::limits::{SCHEMA_DEPTH_MAX, SCHEMAS_MAX};

/// The schemas of a rule by their JSON Pointers, with what each holds and refers to.
#[derive(Default)]
pub(super) struct References {
    edges: HashMap<String, Vec<String>>,
    sent: Vec<(String, ElementPath)>,
}

/// Why a rule's references are refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A `$ref` points at something that is no schema.
    Nowhere { at: ElementPath, to: String },
    /// A schema comes to hold itself.
    Recursive { to: String },
    /// The schemas inside one another are more than [`SCHEMA_DEPTH_MAX`].
    TooDeep,
    /// The schemas are more than [`SCHEMAS_MAX`].
    TooMany,
}

#[derive(Clone, Copy)]
enum Cost {
    BeingCounted,
    Counted { schemas: usize, depth: usize },
}

impl References {
    /// There is a schema at that pointer.
    pub(super) fn add(&mut self, pointer: &str) {
        self.edges.entry(pointer.to_owned()).or_default();
    }

    /// The schema at `outer` holds the one at `inner`.
    pub(super) fn holds(&mut self, outer: &str, inner: &str) {
        self.edges.entry(outer.to_owned()).or_default().push(inner.to_owned());
    }

    /// The schema at `from` refers to the one at `to`.
    pub(super) fn refers(&mut self, from: &str, to: &str, at: ElementPath) {
        self.holds(from, to);
        self.sent.push((to.to_owned(), at));
    }

    /// The first thing that is wrong, if any.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let nowhere = self.sent.iter().find(|(to, _)| !self.edges.contains_key(to));
        if let Some((to, at)) = nowhere {
            return Some(Trouble::Nowhere { at: at.clone(), to: to.clone() });
        }
        self.count("", 1, &mut HashMap::new()).err()
    }

    /// The number of schemas at and below `pointer`, and how deep they go.
    fn count<'a>(
        &'a self,
        pointer: &'a str,
        depth: usize,
        counted: &mut HashMap<&'a str, Cost>,
    ) -> Result<(usize, usize), Trouble> {
        match counted.get(pointer) {
            Some(Cost::BeingCounted) => return Err(Trouble::Recursive { to: pointer.to_owned() }),
            Some(Cost::Counted { schemas, depth }) => return Ok((*schemas, *depth)),
            None => {}
        }
        // Every frame is a schema deeper, so that this also bounds the stack.
        if depth > SCHEMA_DEPTH_MAX {
            return Err(Trouble::TooDeep);
        }
        counted.insert(pointer, Cost::BeingCounted);
        let (mut schemas, mut deepest) = (1_usize, 0);
        for inner in self.edges.get(pointer).into_iter().flatten() {
            let (inner_schemas, inner_depth) = self.count(inner, depth + 1, counted)?;
            schemas += inner_schemas;
            deepest = deepest.max(inner_depth);
            if schemas > SCHEMAS_MAX {
                return Err(Trouble::TooMany);
            }
            if depth + deepest > SCHEMA_DEPTH_MAX {
                return Err(Trouble::TooDeep);
            }
        }
        counted.insert(pointer, Cost::Counted { schemas, depth: deepest + 1 });
        Ok((schemas, deepest + 1))
    }
}
