//! Which names a query may use where: PostgreSQL's rules of what is visible.

use super::super::Refusal;
use crate::policy_query::{Column, Expression, ValueType};

/// The SELECTs around the place that is checked, the innermost last.
#[derive(Default)]
pub(super) struct Scope {
    levels: Vec<Level>,
}

/// What one SELECT has.
#[derive(Default)]
pub(super) struct Level {
    sources: Vec<Named>,
    /// How many of the first sources cannot be named here: the condition of a join sees only what
    /// it joins.
    hidden: usize,
    /// Whether its columns are checked, and not what it reads or keeps.
    pub(super) in_columns: bool,
    /// Whether its columns count its rows.
    pub(super) counts: bool,
    /// Whether its columns depend on its rows.
    pub(super) names_rows: bool,
}

/// A source under the name that it has in its SELECT.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) number: usize,
    pub(super) columns: Columns,
}

/// What a source has.
pub(super) enum Columns {
    /// Those of a table.
    Table,
    /// The items of a list, in a column of that name.
    Element(String),
}

impl Scope {
    pub(super) fn enter(&mut self) {
        self.levels.push(Level::default());
    }

    /// Leaves the innermost SELECT, and returns what was learnt of it.
    pub(super) fn leave(&mut self) -> Level {
        self.levels.pop().unwrap_or_default()
    }

    /// The innermost SELECT.
    pub(super) fn innermost(&mut self) -> Option<&mut Level> {
        self.levels.last_mut()
    }

    /// Adds a source to the innermost SELECT.
    pub(super) fn add(&mut self, source: Named) -> Result<(), Refusal> {
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        if level.sources.iter().any(|other| other.name == source.name) {
            let told = format!("`{}` is there twice; give each an alias of its own", source.name);
            return Err(Refusal(told));
        }
        level.sources.push(source);
        Ok(())
    }

    /// How many sources the innermost SELECT has.
    pub(super) fn count(&self) -> usize {
        self.levels.last().map_or(0, |level| level.sources.len())
    }

    /// Hides the first sources of the innermost SELECT.
    pub(super) fn hide(&mut self, first: usize) {
        if let Some(level) = self.levels.last_mut() {
            level.hidden = first;
        }
    }

    /// What a name alone means: a column of the nearest SELECT that has one, or else a list.
    pub(super) fn alone(&mut self, name: &str) -> Result<(ValueType, Expression), Refusal> {
        let column = self.find(|source| source.column(name));
        match column.ambiguous(name)?.or_else(|| self.find(|s| s.whole(name)).first) {
            Some(found) => Ok(self.used(found)),
            None => Err(Refusal(format!(
                "there is no column `{name}` here; a table has `id`, `version`, `updated` and \
                 `resource`"
            ))),
        }
    }

    /// What `source.name` means.
    pub(super) fn of_source(
        &mut self,
        source_name: &str,
        name: &str,
    ) -> Result<(ValueType, Expression), Refusal> {
        let found = self.find(|source| (source.name == source_name).then_some(source.column(name)));
        match found.first {
            None => Err(Refusal(format!("there is no table or alias `{source_name}` here"))),
            Some((level, Some(column))) => Ok(self.used((level, column))),
            Some((_, None)) => Err(Refusal(format!("`{source_name}` has no column `{name}`"))),
        }
    }

    fn find<T>(&self, named: impl Fn(&Named) -> Option<T>) -> Found<T> {
        for (index, level) in self.levels.iter().enumerate().rev() {
            let mut found = level.sources.iter().skip(level.hidden).filter_map(&named);
            if let Some(first) = found.next() {
                return Found { first: Some((index, first)), several: found.next().is_some() };
            }
        }
        Found { first: None, several: false }
    }

    fn used(
        &mut self,
        (level, found): (usize, (ValueType, Expression)),
    ) -> (ValueType, Expression) {
        if let Some(level) = self.levels.get_mut(level) {
            level.names_rows |= level.in_columns;
        }
        found
    }
}

struct Found<T> {
    first: Option<(usize, T)>,
    several: bool,
}

impl<T> Found<T> {
    fn ambiguous(self, name: &str) -> Result<Option<(usize, T)>, Refusal> {
        if self.several {
            let told = format!("several tables have `{name}`: write `table.{name}`");
            return Err(Refusal(told));
        }
        Ok(self.first)
    }
}

impl Named {
    fn column(&self, name: &str) -> Option<(ValueType, Expression)> {
        match &self.columns {
            Columns::Table => {
                let column = Column::of(name)?;
                Some((column.value_type(), Expression::Column(self.number, column)))
            }
            Columns::Element(column) => {
                (column == name).then_some((ValueType::Json, Expression::Element(self.number)))
            }
        }
    }

    /// The items of a list also have its own name.
    fn whole(&self, name: &str) -> Option<(ValueType, Expression)> {
        match &self.columns {
            Columns::Table => None,
            Columns::Element(_) => {
                (self.name == name).then_some((ValueType::Json, Expression::Element(self.number)))
            }
        }
    }
}
