//! The check of a SELECT.

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, LimitClause, Query, Select as ParsedSelect, SelectFlavor,
    SelectItem, SetExpr, Value, ValueWithSpan,
};

use super::super::Refusal;
use super::Checker;
use super::typed::Typed;
use crate::policy_query::{Expression, Literal, Select, ValueType};

/// A checked SELECT, and the types of its columns.
type Checked = (Select, Vec<Option<ValueType>>);

impl Checker {
    /// Checks a query whose columns matter.
    pub(super) fn query(&mut self, query: &Query) -> Result<Checked, Refusal> {
        self.deeper(|checker| {
            let (mut select, types, names_rows) = checker.any_query(query, false)?;
            if select.limit.is_some() && names_rows {
                let told = "LIMIT would keep any of the rows: it is served where the columns do \
                            not depend on the row, as in `SELECT true … LIMIT 1`";
                return Err(Refusal::new(told));
            }
            if select.counts {
                // One row comes of it: at most that is kept.
                select.limit = select.limit.filter(|limit| *limit == 0);
            }
            Ok((select, types))
        })
    }

    /// Checks a query of which only matters whether it has rows.
    pub(super) fn existence(&mut self, query: &Query) -> Result<Select, Refusal> {
        self.deeper(|checker| {
            let (mut select, _, _) = checker.any_query(query, true)?;
            if !select.counts {
                select.columns = vec![Expression::Literal(Literal::Boolean(true))];
            }
            Ok(select)
        })
    }

    fn any_query(
        &mut self,
        query: &Query,
        any_columns: bool,
    ) -> Result<(Select, Vec<Option<ValueType>>, bool), Refusal> {
        let Query {
            with: None,
            body,
            order_by: None,
            limit_clause,
            fetch: None,
            locks,
            for_clause: None,
            settings: None,
            format_clause: None,
            pipe_operators,
        } = query
        else {
            let told = "of a SELECT, only columns, FROM, WHERE and LIMIT are served: no WITH, \
                        ORDER BY, FETCH or FOR";
            return Err(Refusal::new(told));
        };
        if !locks.is_empty() || !pipe_operators.is_empty() {
            return Err(Refusal::new("FOR UPDATE and FOR SHARE are not served"));
        }
        let limit = limit_clause.as_ref().map(limit).transpose()?;
        let SetExpr::Select(select) = body.as_ref() else {
            let told = "a query is one SELECT: no UNION, INTERSECT, EXCEPT, VALUES or TABLE";
            return Err(Refusal::new(told));
        };
        self.scope.enter();
        let checked = self.select(select, any_columns);
        let level = self.scope.leave();
        let (select, types) = checked?;
        if level.counts && level.names_rows {
            let told = "beside count(*), a SELECT has no column of its rows: there is no GROUP BY";
            return Err(Refusal::new(told));
        }
        Ok((Select { limit, counts: level.counts, ..select }, types, level.names_rows))
    }

    fn select(&mut self, select: &ParsedSelect, any_columns: bool) -> Result<Checked, Refusal> {
        let ParsedSelect {
            select_token: _,
            optimizer_hints,
            distinct: None | Some(Distinct::All),
            select_modifiers: None,
            top: None,
            top_before_distinct: _,
            projection,
            exclude: None,
            into: None,
            from,
            lateral_views,
            prewhere: None,
            selection,
            connect_by,
            group_by: GroupByExpr::Expressions(group_by, group_by_modifiers),
            cluster_by,
            distribute_by,
            sort_by,
            having: None,
            named_window,
            qualify: None,
            window_before_qualify: _,
            value_table_mode: None,
            flavor: SelectFlavor::Standard,
        } = select
        else {
            let told = "of a SELECT, only columns, FROM, WHERE and LIMIT are served: no DISTINCT, \
                        INTO or HAVING";
            return Err(Refusal::new(told));
        };
        let others = optimizer_hints.len()
            + lateral_views.len()
            + connect_by.len()
            + group_by.len()
            + group_by_modifiers.len()
            + cluster_by.len()
            + distribute_by.len()
            + sort_by.len()
            + named_window.len();
        if others > 0 {
            let told = "of a SELECT, only columns, FROM, WHERE and LIMIT are served: no GROUP BY \
                        or WINDOW";
            return Err(Refusal::new(told));
        }
        let sources = self.from(from)?;
        let filter = selection.as_ref().map(|filter| self.condition(filter)).transpose()?;
        let (columns, types) = self.columns(projection, any_columns)?;
        Ok((Select { columns, sources, filter, limit: None, counts: false }, types))
    }

    fn columns(
        &mut self,
        projection: &[SelectItem],
        any_columns: bool,
    ) -> Result<(Vec<Expression>, Vec<Option<ValueType>>), Refusal> {
        if let Some(level) = self.scope.innermost() {
            level.in_columns = true;
        }
        if projection.is_empty() {
            return Err(Refusal::new("a SELECT names what it returns"));
        }
        let (mut columns, mut types) = (Vec::new(), Vec::new());
        for item in projection {
            let column = match item {
                SelectItem::UnnamedExpr(column)
                | SelectItem::ExprWithAlias { expr: column, alias: _ } => column,
                SelectItem::Wildcard(options) if any_columns && options.to_string() == "" => {
                    continue;
                }
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {
                    let told = "`*` is served in `EXISTS (SELECT * …)` and `count(*)` alone";
                    return Err(Refusal::new(told));
                }
                SelectItem::ExprWithAliases { .. } => {
                    return Err(Refusal::new("a column has one alias"));
                }
            };
            let typed = self.expression(column)?;
            let of = match (&typed, typed.known()) {
                (Typed::Null, _) => None,
                (_, of) => Some(of.unwrap_or(ValueType::Text)),
            };
            columns.push(self.as_type(typed, of.unwrap_or(ValueType::Text))?);
            types.push(of);
        }
        Ok((columns, types))
    }

    /// A boolean expression.
    pub(super) fn condition(&mut self, condition: &Expr) -> Result<Expression, Refusal> {
        let typed = self.expression(condition)?;
        self.as_type(typed, ValueType::Boolean)
    }
}

fn limit(clause: &LimitClause) -> Result<u32, Refusal> {
    let LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by } = clause else {
        return Err(Refusal::new("of LIMIT and OFFSET, only `LIMIT number` is served"));
    };
    let Expr::Value(ValueWithSpan { value: Value::Number(digits, false), span: _ }) = limit else {
        return Err(Refusal(format!("`LIMIT {limit}` is not served: write a number")));
    };
    match digits.parse() {
        Ok(limit) if limit_by.is_empty() => Ok(limit),
        Ok(_) | Err(_) => Err(Refusal::new("LIMIT is a whole number")),
    }
}
