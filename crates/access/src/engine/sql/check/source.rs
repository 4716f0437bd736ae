//! The check of FROM: tables, lists of elements, and how they are joined.

use sqlparser::ast::{
    FunctionArg, FunctionArgExpr, JoinConstraint, JoinOperator, ObjectName, TableAlias,
    TableAliasColumnDef, TableFactor, TableFunctionArgs, TableWithJoins,
};

use super::super::Refusal;
use super::super::template::Template;
use super::Checker;
use super::name::{folded, single};
use super::scope::{Columns, Named};
use crate::limits::QUERY_SOURCES_MAX;
use crate::nearest::suggestion;
use crate::policy_query::{Join, Rows, Source, Table, ValueType, table, tables};

/// The one function that FROM may have.
const ELEMENTS: &str = "jsonb_array_elements";

impl Checker {
    /// Checks a FROM clause. A condition sees only what its join joins; a list of elements sees
    /// every source before it.
    pub(super) fn from(&mut self, from: &[TableWithJoins]) -> Result<Vec<Source>, Refusal> {
        let mut sources = Vec::new();
        for TableWithJoins { relation, joins } in from {
            let first = self.scope.count();
            let (number, rows) = self.relation(relation)?;
            sources.push(Source { number, rows, join: Join::Cross });
            for sqlparser::ast::Join { relation, global, join_operator } in joins {
                if *global {
                    return Err(Refusal::new("GLOBAL joins are not served"));
                }
                let (number, rows) = self.relation(relation)?;
                self.scope.hide(first);
                let join = self.join(join_operator)?;
                self.scope.hide(0);
                sources.push(Source { number, rows, join });
            }
        }
        Ok(sources)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not listed is refused")]
    fn join(&mut self, operator: &JoinOperator) -> Result<Join, Refusal> {
        match operator {
            JoinOperator::Join(JoinConstraint::On(condition))
            | JoinOperator::Inner(JoinConstraint::On(condition)) => {
                Ok(Join::Inner(self.condition(condition)?))
            }
            JoinOperator::Left(JoinConstraint::On(condition))
            | JoinOperator::LeftOuter(JoinConstraint::On(condition)) => {
                Ok(Join::Left(self.condition(condition)?))
            }
            JoinOperator::CrossJoin(JoinConstraint::None) => Ok(Join::Cross),
            _ => Err(Refusal::new(
                "of joins, `[INNER] JOIN … ON …`, `LEFT JOIN … ON …` and `CROSS JOIN` are served",
            )),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not listed is refused")]
    fn relation(&mut self, relation: &TableFactor) -> Result<(usize, Rows), Refusal> {
        let unserved = || {
            let told = "in FROM, tables and `jsonb_array_elements(…)` are served, each with an \
                        alias or without";
            Refusal::new(told)
        };
        match relation {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                match args {
                    None => self.table(name, alias.as_ref()),
                    Some(TableFunctionArgs { args, settings: None }) => {
                        self.elements(name, args, alias.as_ref())
                    }
                    Some(TableFunctionArgs { .. }) => Err(unserved()),
                }
            }
            TableFactor::Function { lateral: _, name, args, with_ordinality: false, alias } => {
                self.elements(name, args, alias.as_ref())
            }
            _ => Err(unserved()),
        }
    }

    fn table(
        &mut self,
        name: &ObjectName,
        alias: Option<&TableAlias>,
    ) -> Result<(usize, Rows), Refusal> {
        let name = single(name)?;
        let (table, name) = match Template::identifier(&name) {
            Some(sent) => (Table::Sent(sent), None),
            None => (Table::Of(table(&name).ok_or_else(|| no_table(&name))?), Some(name)),
        };
        let (alias, columns) = alias.map(read_alias).transpose()?.unwrap_or_default();
        if columns.is_some() {
            return Err(Refusal::new("an alias of a table does not name columns"));
        }
        // Without an alias, a table that the request names has no name of its own here.
        let unnamed = || format!("\u{1}{}", self.sources);
        let name = alias.or(name).unwrap_or_else(unnamed);
        let number = self.source(Named { name, number: self.sources, columns: Columns::Table })?;
        Ok((number, Rows::Table(table)))
    }

    fn elements(
        &mut self,
        name: &ObjectName,
        args: &[FunctionArg],
        alias: Option<&TableAlias>,
    ) -> Result<(usize, Rows), Refusal> {
        let function = single(name)?;
        if function != ELEMENTS {
            return Err(Refusal(format!("`{function}` is not served in FROM, only `{ELEMENTS}`")));
        }
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(list))] = args else {
            return Err(Refusal(format!("`{ELEMENTS}` has one argument, of the type jsonb")));
        };
        let list = self.expression(list)?;
        let list = self.as_type(list, ValueType::Json)?;
        let (alias, column) = alias.map(read_alias).transpose()?.unwrap_or_default();
        let columns = Columns::Element(column.unwrap_or_else(|| "value".to_owned()));
        let name = alias.unwrap_or(function);
        let number = self.source(Named { name, number: self.sources, columns })?;
        Ok((number, Rows::Elements(list)))
    }

    fn source(&mut self, source: Named) -> Result<usize, Refusal> {
        if self.sources >= QUERY_SOURCES_MAX {
            return Err(Refusal(format!("a query reads at most {QUERY_SOURCES_MAX} tables")));
        }
        let number = source.number;
        self.scope.add(source)?;
        self.sources += 1;
        Ok(number)
    }
}

/// The name of an alias, and of the one column it may name.
fn read_alias(alias: &TableAlias) -> Result<(Option<String>, Option<String>), Refusal> {
    let TableAlias { explicit: _, name, columns, at: None } = alias else {
        return Err(Refusal(format!("the alias `{alias}` is not served")));
    };
    match columns.as_slice() {
        [] => Ok((Some(folded(name)), None)),
        [TableAliasColumnDef { name: column, data_type: None }] => {
            Ok((Some(folded(name)), Some(folded(column))))
        }
        _ => Err(Refusal(format!("the alias `{alias}` is not served"))),
    }
}

fn no_table(name: &str) -> Refusal {
    let known: Vec<String> = tables().map(|of| of.name().to_ascii_lowercase()).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Refusal(format!(
        "there is no table `{name}`: FHIR's types are the tables, in lower case{}",
        suggestion(name, &known)
    ))
}
