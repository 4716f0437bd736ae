//! Reads an expression and finds its routes in the element tables.

use std::borrow::Cow;

use super::{Path, PathResult, Route, Step};
use crate::definitions::{Content, ElementTables};

/// Why an expression cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at `{rest}`")]
pub(crate) struct PathError {
    what: Cow<'static, str>,
    rest: String,
}

/// Compiles an expression on resources of the type `root`.
pub(crate) fn compile(
    tables: &ElementTables,
    root: &str,
    expression: &str,
) -> Result<Path, PathError> {
    if let Some((path, comparison)) = expression.split_once(".exists() and ") {
        if comparison.strip_suffix(" != false") != Some(path) {
            return Err(PathError {
                what: "unknown comparison".into(),
                rest: comparison.to_owned(),
            });
        }
        let routes = compile(tables, root, path)?.routes;
        return Ok(Path { routes, result: PathResult::Truth });
    }
    let mut reader = Reader { tables, root, rest: expression };
    let routes = reader.union()?;
    Ok(Path { routes, result: PathResult::Values })
}

struct Reader<'a> {
    tables: &'a ElementTables,
    root: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn union(&mut self) -> Result<Vec<Route>, PathError> {
        let mut routes = self.typed()?;
        while self.accept("|") {
            routes.extend(self.typed()?);
        }
        if self.rest.trim().is_empty() { Ok(routes) } else { self.error("unexpected text") }
    }

    fn typed(&mut self) -> Result<Vec<Route>, PathError> {
        let routes = self.operand()?;
        if self.accept("as ") {
            let type_name = self.name()?;
            return Ok(self.of_type(routes, type_name));
        }
        Ok(routes)
    }

    fn operand(&mut self) -> Result<Vec<Route>, PathError> {
        let mut routes = if self.accept("(") {
            let routes = self.typed()?;
            self.expect(")")?;
            routes
        } else {
            let whole = self.whole_resource()?;
            let name = self.name()?;
            if name == self.root || matches!(name, "Resource" | "DomainResource") {
                whole
            } else {
                self.member(whole, name)?
            }
        };
        while self.accept(".") {
            let name = self.name()?;
            routes = if self.accept("(") {
                self.function(routes, name)?
            } else {
                self.member(routes, name)?
            };
        }
        Ok(routes)
    }

    fn whole_resource(&self) -> Result<Vec<Route>, PathError> {
        match self.tables.id(self.root) {
            Some(id) => Ok(vec![Route { steps: Vec::new(), content: Content::Shape(id) }]),
            None => self.error("unknown root"),
        }
    }

    fn function(&mut self, routes: Vec<Route>, name: &str) -> Result<Vec<Route>, PathError> {
        let routes = match name {
            "as" | "ofType" => {
                let type_name = self.name()?;
                self.of_type(routes, type_name)
            }
            "where" => {
                let step = self.condition()?;
                then(routes, &step)
            }
            _ => return self.error("unknown function"),
        };
        self.expect(")")?;
        Ok(routes)
    }

    fn condition(&mut self) -> Result<Step, PathError> {
        let name = self.name()?;
        if name == "resolve" {
            self.expect("()")?;
            self.expect("is ")?;
            return Ok(Step::ResolvesTo(self.name()?.into()));
        }
        self.expect("=")?;
        self.expect("'")?;
        let Some((text, rest)) = self.rest.split_once('\'') else {
            return self.error("unfinished text");
        };
        self.rest = rest;
        Ok(Step::Equals { member: name.into(), text: text.into() })
    }

    fn member(&mut self, routes: Vec<Route>, name: &str) -> Result<Vec<Route>, PathError> {
        let item = self.item()?;
        if item.is_some() && routes.iter().any(|route| !route.steps.is_empty()) {
            // Deeper, the items of several parents would have to be counted through.
            return self.error("an index below the root");
        }
        let mut next = Vec::new();
        for route in routes {
            let Content::Shape(id) = route.content else { continue };
            let Some(shape) = self.tables.shape(id) else { continue };
            for (member, content) in shape.members_of(name) {
                let mut steps = route.steps.clone();
                steps.push(Step::Member { name: member.into(), item });
                next.push(Route { steps, content });
            }
        }
        if next.is_empty() { self.error("unknown element") } else { Ok(next) }
    }

    fn item(&mut self) -> Result<Option<usize>, PathError> {
        if !self.accept("[") {
            return Ok(None);
        }
        let Some((digits, rest)) = self.rest.split_once(']') else {
            return self.error("unfinished index");
        };
        let Ok(at) = digits.parse() else { return self.error("not an index") };
        self.rest = rest;
        Ok(Some(at))
    }

    /// The routes to values of that type: `as` on a collection filters it.
    fn of_type(&self, mut routes: Vec<Route>, type_name: &str) -> Vec<Route> {
        routes.retain(|route| self.tables.type_name(route.content) == type_name);
        routes
    }

    fn name(&mut self) -> Result<&'a str, PathError> {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        match rest.split_at_checked(end) {
            Some((name, rest)) if !name.is_empty() => {
                self.rest = rest;
                Ok(name)
            }
            _ => self.error("a name is missing"),
        }
    }

    fn accept(&mut self, text: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, text: &str) -> Result<(), PathError> {
        if self.accept(text) { Ok(()) } else { self.error(format!("`{text}` is missing")) }
    }

    fn error<T>(&self, what: impl Into<Cow<'static, str>>) -> Result<T, PathError> {
        Err(PathError { what: what.into(), rest: self.rest.to_owned() })
    }
}

fn then(mut routes: Vec<Route>, step: &Step) -> Vec<Route> {
    for route in &mut routes {
        route.steps.push(step.clone());
    }
    routes
}
