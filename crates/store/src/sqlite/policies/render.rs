//! A checked query in SQLite's dialect. Its text has keywords, our names and numbers of
//! parameters alone: every value is bound.

use std::fmt::Write as _;

use firewarden_access::policy_query::{
    Bindings, Cast, Column, Comparison, Expression, Function, Join, Literal, Operator, Rows,
    Select, Source, Table, ValueType,
};
use rusqlite::types::Value as SqlValue;

use super::permitted::VIEW;
use crate::engine::dictionary::Dictionary;

/// A statement and what is bound in it.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<SqlValue>,
}

/// Renders a query with the values of one request. `None` for one that names a value or a table
/// which the bindings do not have.
pub(crate) fn render(
    select: &Select,
    bindings: &Bindings,
    dictionary: &Dictionary,
) -> Option<Rendered> {
    let rendered = Rendered { sql: String::new(), parameters: Vec::new() };
    let mut renderer = Renderer { bindings, dictionary, rendered };
    renderer.select(select, Keyed::No)?;
    Some(renderer.rendered)
}

/// Whether a value is brought to a form that two values share exactly where they are equal.
#[derive(Clone, Copy)]
enum Keyed {
    No,
    As(ValueType),
}

struct Renderer<'a> {
    bindings: &'a Bindings,
    dictionary: &'a Dictionary,
    rendered: Rendered,
}

impl Renderer<'_> {
    fn put(&mut self, sql: &str) {
        self.rendered.sql.push_str(sql);
    }

    fn bind(&mut self, value: impl Into<SqlValue>) {
        self.rendered.parameters.push(value.into());
        let number = self.rendered.parameters.len();
        // Writing to a text does not fail.
        let _ = write!(self.rendered.sql, "?{number}");
    }

    fn select(&mut self, select: &Select, keyed: Keyed) -> Option<()> {
        self.put("SELECT ");
        self.list(&select.columns, ", ", |renderer, column| renderer.keyed(column, keyed))?;
        self.after_columns(select)
    }

    fn after_columns(&mut self, select: &Select) -> Option<()> {
        let Select { columns: _, sources, filter, limit, counts: _ } = select;
        for (index, source) in sources.iter().enumerate() {
            self.source(source, index == 0)?;
        }
        if let Some(filter) = filter {
            self.put(" WHERE ");
            self.expression(filter)?;
        }
        if let Some(limit) = limit {
            self.put(&format!(" LIMIT {limit}"));
        }
        Some(())
    }

    fn source(&mut self, source: &Source, first: bool) -> Option<()> {
        let Source { number, rows, join } = source;
        self.put(match join {
            _ if first => " FROM ",
            Join::Cross | Join::Inner(_) => " JOIN ",
            Join::Left(_) => " LEFT JOIN ",
        });
        match rows {
            Rows::Table(table) => {
                let of = match table {
                    Table::Of(of) => *of,
                    Table::Sent(index) => *self.bindings.tables().get(*index)?,
                };
                self.put(&format!("(SELECT id, version, updated, body FROM {VIEW} WHERE type = "));
                self.bind(self.dictionary.resource_type(of));
                self.put(")");
            }
            Rows::Elements(list) => {
                self.put("json_each(fw_elements(");
                self.expression(list)?;
                self.put("))");
            }
        }
        self.put(&format!(" AS s{number}"));
        match join {
            Join::Cross => {}
            Join::Inner(condition) | Join::Left(condition) => {
                self.put(" ON ");
                self.expression(condition)?;
            }
        }
        Some(())
    }

    fn list(
        &mut self,
        items: &[Expression],
        between: &str,
        mut render: impl FnMut(&mut Self, &Expression) -> Option<()>,
    ) -> Option<()> {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.put(between);
            }
            render(self, item)?;
        }
        Some(())
    }

    fn expression(&mut self, expression: &Expression) -> Option<()> {
        match expression {
            Expression::Null => self.put("NULL"),
            Expression::Literal(literal) => self.literal(literal),
            Expression::Sent(index) => {
                let value = self.bindings.values().get(*index)?.as_ref()?;
                self.literal(value);
            }
            Expression::Column(source, column) => self.put(&match column {
                Column::Id => format!("s{source}.id"),
                Column::Version => format!("s{source}.version"),
                Column::Updated => format!("s{source}.updated"),
                Column::Resource => format!("fw_resource(s{source}.body)"),
            }),
            Expression::Element(source) => self.put(&format!("s{source}.value")),
            Expression::All(operands) => self.wrapped("(", operands, " AND ", ")")?,
            Expression::Any(operands) => self.wrapped("(", operands, " OR ", ")")?,
            Expression::Not(operand) => self.around("(NOT ", operand, ")")?,
            Expression::IsNull(operand) => self.around("(", operand, " IS NULL)")?,
            Expression::Is(operand, true) => self.around("(", operand, " IS 1)")?,
            Expression::Is(operand, false) => self.around("(", operand, " IS 0)")?,
            Expression::Compare(comparison) => self.comparison(comparison)?,
            Expression::In(of, value, list) => {
                self.put("(");
                self.keyed(value, Keyed::As(*of))?;
                self.put(" IN (");
                self.list(list, ", ", |renderer, item| renderer.keyed(item, Keyed::As(*of)))?;
                self.put("))");
            }
            Expression::InSelect(of, value, select) => {
                self.put("(");
                self.keyed(value, Keyed::As(*of))?;
                self.put(" IN (");
                self.select(select, Keyed::As(*of))?;
                self.put("))");
            }
            Expression::Coalesce(values) => match values.as_slice() {
                // SQLite's takes two at least.
                [value] => self.expression(value)?,
                values => self.wrapped("coalesce(", values, ", ", ")")?,
            },
            Expression::Call(function, arguments) => self.call(function, arguments)?,
            Expression::Exists(select) => {
                self.put("EXISTS (");
                self.select(select, Keyed::No)?;
                self.put(")");
            }
            Expression::One(select) => self.one(select)?,
            Expression::Count => self.put("count(*)"),
        }
        Some(())
    }

    /// SQLite takes the first of several rows, where PostgreSQL reports an error. The column is
    /// named in between, so that the aggregate belongs to this SELECT whatever it depends on.
    fn one(&mut self, select: &Select) -> Option<()> {
        let [column] = select.columns.as_slice() else { return None };
        self.put("(SELECT fw_one(only) FROM (SELECT ");
        self.expression(column)?;
        self.put(" AS only");
        self.after_columns(select)?;
        self.put("))");
        Some(())
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Boolean(value) => self.bind(i64::from(*value)),
            Literal::Integer(value) => self.bind(*value),
            Literal::Numeric(digits) => {
                self.put("fw_text_to_numeric(");
                self.bind(digits.clone());
                self.put(")");
            }
            Literal::Text(text) => self.bind(text.clone()),
            Literal::Json(value) => self.bind(value.to_string()),
            Literal::Time(time) => self.bind(time.as_millisecond()),
        }
    }

    fn comparison(&mut self, comparison: &Comparison) -> Option<()> {
        let Comparison { operator, of, left, right } = comparison;
        let symbol = match operator {
            Operator::Equal => " = ",
            Operator::NotEqual => " <> ",
            Operator::Less => " < ",
            Operator::LessOrEqual => " <= ",
            Operator::Greater => " > ",
            Operator::GreaterOrEqual => " >= ",
        };
        let equality = matches!(operator, Operator::Equal | Operator::NotEqual);
        if *of == ValueType::Numeric && !equality {
            self.put("(fw_numeric_compare(");
            self.expression(left)?;
            self.put(", ");
            self.expression(right)?;
            self.put(&format!("){symbol}0)"));
            return Some(());
        }
        self.put("(");
        self.keyed(left, Keyed::As(*of))?;
        self.put(symbol);
        self.keyed(right, Keyed::As(*of))?;
        self.put(")");
        Some(())
    }

    fn keyed(&mut self, expression: &Expression, keyed: Keyed) -> Option<()> {
        match keyed {
            Keyed::As(ValueType::Json) => self.around("fw_json_key(", expression, ")"),
            Keyed::As(ValueType::Numeric) => self.around("fw_numeric_key(", expression, ")"),
            Keyed::No
            | Keyed::As(
                ValueType::Boolean | ValueType::Integer | ValueType::Text | ValueType::Time,
            ) => self.expression(expression),
        }
    }

    fn call(&mut self, function: &Function, arguments: &[Expression]) -> Option<()> {
        let name = match function {
            Function::Member => "fw_member(",
            Function::MemberText => "fw_member_text(",
            Function::Item => "fw_item(",
            Function::ItemText => "fw_item_text(",
            Function::Path(steps) => return self.path("fw_path(", arguments, steps),
            Function::PathText(steps) => return self.path("fw_path_text(", arguments, steps),
            Function::Contains => "fw_contains(",
            Function::MergeJson => "fw_merge(",
            Function::Concatenate => return self.wrapped("(", arguments, " || ", ")"),
            Function::Like => "fw_like(",
            Function::SplitPart => "fw_split_part(",
            Function::BuildObject => "fw_object(",
            Function::BuildArray => "fw_array(",
            Function::Cast(cast) => {
                let (before, after) = around_cast(*cast);
                return self.wrapped(before, arguments, ", ", after);
            }
        };
        self.wrapped(name, arguments, ", ", ")")
    }

    fn path(&mut self, name: &str, arguments: &[Expression], steps: &[String]) -> Option<()> {
        self.wrapped(name, arguments, ", ", ", ")?;
        self.bind(serde_json::to_string(steps).ok()?);
        self.put(")");
        Some(())
    }

    fn around(&mut self, before: &str, operand: &Expression, after: &str) -> Option<()> {
        self.put(before);
        self.expression(operand)?;
        self.put(after);
        Some(())
    }

    fn wrapped(
        &mut self,
        before: &str,
        operands: &[Expression],
        between: &str,
        after: &str,
    ) -> Option<()> {
        self.put(before);
        self.list(operands, between, Self::expression)?;
        self.put(after);
        Some(())
    }
}

/// What a cast puts before and after its operand.
fn around_cast(cast: Cast) -> (&'static str, &'static str) {
    match cast {
        Cast::TextToJson => ("fw_text_to_json(", ")"),
        Cast::TextToInteger => ("fw_text_to_integer(", ")"),
        Cast::TextToBigint => ("fw_text_to_bigint(", ")"),
        Cast::TextToNumeric => ("fw_text_to_numeric(", ")"),
        Cast::TextToBoolean => ("fw_text_to_boolean(", ")"),
        Cast::JsonToText => ("fw_json_to_text(", ")"),
        Cast::JsonToNumeric => ("fw_json_to_numeric(", ")"),
        Cast::JsonToBoolean => ("fw_json_to_boolean(", ")"),
        Cast::BigintToInteger => ("fw_bigint_to_integer(", ")"),
        Cast::IntegerToText | Cast::IntegerToNumeric => ("CAST(", " AS TEXT)"),
        // A number is its digits.
        Cast::NumericToText => ("(", ")"),
        Cast::BooleanToText => ("(CASE ", " WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)"),
        Cast::AsJson(ValueType::Text) => ("fw_text_as_json(", ")"),
        Cast::AsJson(ValueType::Integer) => ("coalesce(CAST(", " AS TEXT), 'null')"),
        Cast::AsJson(ValueType::Numeric | ValueType::Json) => ("coalesce(", ", 'null')"),
        Cast::AsJson(ValueType::Boolean) => {
            ("(CASE ", " WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END)")
        }
        // The check refuses it.
        Cast::AsJson(ValueType::Time) => ("fw_text_as_json(", ")"),
    }
}
