//! A checked query in PostgreSQL's own dialect. Its text has keywords, our names and numbers of
//! parameters alone: every value is bound.
//!
//! It reads as the policy does, but for what PostgreSQL's versions differ in, and what is wider
//! than the texts and numbers of the other databases: there a text is brought to a form that every
//! version takes alike, or refuses.

use std::fmt::Write as _;
use std::sync::Arc;

use firewarden_access::policy_query::{
    Bindings, Cast, Column, Comparison, Expression, Function, Join, Literal, Operator, Rows,
    Select, Source, Table, ValueType,
};
use tokio_postgres::types::{ToSql, Type};

use super::permitted::{SCHEMA, VIEW};
use crate::engine::dictionary::Dictionary;

/// A statement and what is bound in it.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<Parameter>,
}

/// A bound value.
#[derive(Debug, PartialEq)]
pub(crate) enum Parameter {
    Boolean(bool),
    Integer(i64),
    Text(String),
    Texts(Vec<String>),
}

impl Parameter {
    /// The value, and the type that it has whatever it is compared with.
    pub(crate) fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Boolean(value) => (value, Type::BOOL),
            Self::Integer(value) => (value, Type::INT8),
            Self::Text(value) => (value, Type::TEXT),
            Self::Texts(values) => (values, Type::TEXT_ARRAY),
        }
    }
}

/// What a rendering needs to know of this database.
pub(crate) struct Names {
    /// The numbers of types.
    pub(crate) dictionary: Arc<Dictionary>,
    /// References below it are local.
    pub(crate) base_url: String,
}

/// Rows of a result that are looked at: more than one are several.
const ROWS_READ: u32 = 2;

/// Renders a query with the values of one request. Its first column is a boolean or an integer
/// where the query says so; of any other value, and of further columns, only whether they are NULL
/// is returned. `None` for a query that names a value or a table which the bindings do not have.
pub(crate) fn render(
    select: &Select,
    of: Option<ValueType>,
    bindings: &Bindings,
    names: &Names,
) -> Option<Rendered> {
    let rendered = Rendered { sql: String::new(), parameters: Vec::new() };
    let mut renderer = Renderer { bindings, names, base_url: None, rendered };
    renderer.put("SELECT ");
    for (index, column) in select.columns.iter().enumerate() {
        if index > 0 {
            renderer.put(", ");
        }
        if index == 0 && is_returned(of) {
            renderer.expression(column, of)?;
        } else {
            renderer.around("(", column, " IS NULL)", None)?;
        }
    }
    let limit = Some(select.limit.map_or(ROWS_READ, |limit| limit.min(ROWS_READ)));
    renderer.after_columns(select, limit)?;
    Some(renderer.rendered)
}

/// Whether a value of that type is returned as it is.
fn is_returned(of: Option<ValueType>) -> bool {
    matches!(of, Some(ValueType::Boolean | ValueType::Integer))
}

struct Renderer<'a> {
    bindings: &'a Bindings,
    names: &'a Names,
    /// The number of the parameter that has the base URL.
    base_url: Option<usize>,
    rendered: Rendered,
}

impl Renderer<'_> {
    fn put(&mut self, sql: &str) {
        self.rendered.sql.push_str(sql);
    }

    fn bind(&mut self, value: Parameter) {
        self.rendered.parameters.push(value);
        let number = self.rendered.parameters.len();
        // Writing to a text does not fail.
        let _ = write!(self.rendered.sql, "${number}");
    }

    fn base_url(&mut self) {
        match self.base_url {
            Some(number) => self.put(&format!("${number}")),
            None => {
                self.bind(Parameter::Text(self.names.base_url.clone()));
                self.base_url = Some(self.rendered.parameters.len());
            }
        }
    }

    /// A SELECT inside another. Its columns are of that type.
    fn select(&mut self, select: &Select, of: Option<ValueType>) -> Option<()> {
        self.put("SELECT ");
        self.list(&select.columns, ", ", of)?;
        self.after_columns(select, select.limit)
    }

    fn after_columns(&mut self, select: &Select, limit: Option<u32>) -> Option<()> {
        let Select { columns: _, sources, filter, limit: _, counts: _ } = select;
        for (index, source) in sources.iter().enumerate() {
            self.source(source, index == 0)?;
        }
        if let Some(filter) = filter {
            self.put(" WHERE ");
            self.expression(filter, Some(ValueType::Boolean))?;
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
            Join::Cross => " CROSS JOIN ",
            Join::Inner(_) => " JOIN ",
            Join::Left(_) => " LEFT JOIN ",
        });
        match rows {
            Rows::Table(table) => {
                let of = match table {
                    Table::Of(of) => *of,
                    Table::Sent(index) => *self.bindings.tables().get(*index)?,
                };
                let code = self.names.dictionary.resource_type(of);
                self.put(&format!(
                    "(SELECT id, version, updated, body FROM {SCHEMA}.{VIEW} WHERE type = {code}) \
                     AS s{number}"
                ));
            }
            Rows::Elements(list) => {
                let after = format!(") AS s{number} (value)");
                self.around("LATERAL jsonb_array_elements(", list, &after, Some(ValueType::Json))?;
            }
        }
        match join {
            Join::Cross => Some(()),
            Join::Inner(condition) | Join::Left(condition) => {
                self.around(" ON ", condition, "", Some(ValueType::Boolean))
            }
        }
    }

    fn list(&mut self, items: &[Expression], between: &str, of: Option<ValueType>) -> Option<()> {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.put(between);
            }
            self.expression(item, of)?;
        }
        Some(())
    }

    /// An expression where a value of that type is needed: NULL has no other. Of any type where
    /// `of` is `None`.
    fn expression(&mut self, expression: &Expression, of: Option<ValueType>) -> Option<()> {
        let boolean = Some(ValueType::Boolean);
        match expression {
            Expression::Null => match of {
                None => self.put("NULL"),
                Some(of) => self.put(&format!("NULL::{}", type_name(of))),
            },
            Expression::Literal(literal) => self.literal(literal),
            Expression::Sent(index) => {
                let value = self.bindings.values().get(*index)?.as_ref()?;
                self.literal(value);
            }
            Expression::Column(source, column) => self.column(*source, *column),
            Expression::Element(source) => self.put(&format!("s{source}.value")),
            Expression::All(operands) => self.wrapped("(", operands, " AND ", ")", boolean)?,
            Expression::Any(operands) => self.wrapped("(", operands, " OR ", ")", boolean)?,
            Expression::Not(operand) => self.around("(NOT ", operand, ")", boolean)?,
            Expression::IsNull(operand) => self.around("(", operand, " IS NULL)", None)?,
            Expression::Is(operand, true) => self.around("(", operand, " IS TRUE)", boolean)?,
            Expression::Is(operand, false) => self.around("(", operand, " IS FALSE)", boolean)?,
            Expression::Compare(comparison) => self.comparison(comparison)?,
            Expression::In(of, value, list) => {
                self.around("(", value, collation(*of), Some(*of))?;
                self.wrapped(" IN (", list, ", ", "))", Some(*of))?;
            }
            Expression::InSelect(of, value, select) => {
                self.around("(", value, collation(*of), Some(*of))?;
                self.put(" IN (");
                self.select(select, Some(*of))?;
                self.put("))");
            }
            Expression::Coalesce(values) => self.wrapped("coalesce(", values, ", ", ")", of)?,
            Expression::Call(function, arguments) => self.call(function, arguments)?,
            Expression::Exists(select) => {
                self.put("EXISTS (");
                self.select(select, None)?;
                self.put(")");
            }
            Expression::One(select) => {
                self.put("(");
                self.select(select, of)?;
                self.put(")");
            }
            Expression::Count => self.put("count(*)"),
        }
        Some(())
    }

    fn column(&mut self, source: usize, column: Column) {
        match column {
            Column::Id => self.put(&format!("s{source}.id")),
            Column::Version => self.put(&format!("s{source}.version")),
            Column::Updated => self.put(&format!("s{source}.updated")),
            Column::Resource => {
                self.put(&format!("{SCHEMA}.policy_resource(s{source}.body, "));
                self.base_url();
                self.put(")");
            }
        }
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Boolean(value) => self.bind(Parameter::Boolean(*value)),
            Literal::Integer(value) => self.bind(Parameter::Integer(*value)),
            Literal::Numeric(digits) => {
                self.put(TO_NUMERIC.0);
                self.bind(Parameter::Text(digits.clone()));
                self.put(TO_NUMERIC.1);
            }
            Literal::Text(text) => self.bind(Parameter::Text(text.clone())),
            Literal::Json(value) => {
                self.put("(");
                self.bind(Parameter::Text(value.to_string()));
                self.put(")::jsonb");
            }
            Literal::Time(time) => self.bind(Parameter::Integer(time.as_millisecond())),
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
        self.around("(", left, collation(*of), Some(*of))?;
        self.around(symbol, right, ")", Some(*of))
    }

    fn call(&mut self, function: &Function, arguments: &[Expression]) -> Option<()> {
        match function {
            Function::Member | Function::MemberText | Function::Path(_) | Function::PathText(_) => {
                self.inside(function, arguments)
            }
            Function::Item => {
                self.pair("(", arguments, ITEM, [ValueType::Json, ValueType::Integer])
            }
            Function::ItemText => {
                self.pair("(", arguments, ITEM_TEXT, [ValueType::Json, ValueType::Integer])
            }
            Function::Contains => self.wrapped("(", arguments, " @> ", ")", Some(ValueType::Json)),
            Function::MergeJson => self.wrapped("(", arguments, " || ", ")", Some(ValueType::Json)),
            Function::Concatenate => {
                self.wrapped("(", arguments, " || ", ")", Some(ValueType::Text))
            }
            Function::Like => {
                self.pair("(", arguments, (" COLLATE \"C\" LIKE ", ")"), [ValueType::Text; 2])
            }
            Function::SplitPart => self.split_part(arguments),
            Function::BuildObject => {
                self.put("jsonb_build_object(");
                for (index, argument) in arguments.iter().enumerate() {
                    let of = if index % 2 == 0 { ValueType::Text } else { ValueType::Json };
                    self.around(if index == 0 { "" } else { ", " }, argument, "", Some(of))?;
                }
                self.put(")");
                Some(())
            }
            Function::BuildArray => {
                self.wrapped("jsonb_build_array(", arguments, ", ", ")", Some(ValueType::Json))
            }
            Function::Cast(cast) => {
                let (of, before, after) = around_cast(*cast);
                self.wrapped(before, arguments, ", ", after, Some(of))
            }
        }
    }

    /// What stands at a key or a path.
    fn inside(&mut self, function: &Function, arguments: &[Expression]) -> Option<()> {
        let is_text = matches!(function, Function::MemberText | Function::PathText(_));
        let steps = if let Function::Path(steps) | Function::PathText(steps) = function {
            steps.as_slice()
        } else {
            &[]
        };
        match arguments {
            [Expression::Column(source, Column::Resource), key] => {
                let key = |renderer: &mut Self| renderer.expression(key, Some(ValueType::Text));
                self.inside_stored(*source, key, steps, is_text)
            }
            [json, key] => {
                self.around("(", json, "", Some(ValueType::Json))?;
                let operator = if is_text { " ->> " } else { " -> " };
                self.around(operator, key, ")", Some(ValueType::Text))
            }
            [Expression::Column(source, Column::Resource)] if !steps.is_empty() => {
                let (first, below) = steps.split_first()?;
                let first = |renderer: &mut Self| {
                    renderer.bind(Parameter::Text(first.clone()));
                    Some(())
                };
                self.inside_stored(*source, first, below, is_text)
            }
            [json] => {
                self.around("(", json, "", Some(ValueType::Json))?;
                self.path(steps, is_text)
            }
            _ => None,
        }
    }

    /// What stands inside a stored resource, of which only the member on the way is shaped.
    fn inside_stored(
        &mut self,
        source: usize,
        member: impl FnOnce(&mut Self) -> Option<()>,
        below: &[String],
        is_text: bool,
    ) -> Option<()> {
        self.put(&format!("({SCHEMA}.policy_member(s{source}.body, "));
        member(self)?;
        self.put(", ");
        self.base_url();
        self.put(")");
        self.path(below, is_text)
    }

    fn path(&mut self, steps: &[String], is_text: bool) -> Option<()> {
        self.put(if is_text { " #>> " } else { " #> " });
        self.bind(Parameter::Texts(steps.to_vec()));
        self.put(")");
        Some(())
    }

    /// Two arguments of those types, with texts before, between and after them.
    fn pair(
        &mut self,
        before: &str,
        arguments: &[Expression],
        (between, after): (&str, &str),
        [left_type, right_type]: [ValueType; 2],
    ) -> Option<()> {
        let [left, right] = arguments else { return None };
        self.around(before, left, between, Some(left_type))?;
        self.around("", right, after, Some(right_type))
    }

    fn split_part(&mut self, arguments: &[Expression]) -> Option<()> {
        let [text, delimiter, number] = arguments else { return None };
        self.around("split_part(", text, ", ", Some(ValueType::Text))?;
        self.around("", delimiter, ", (", Some(ValueType::Text))?;
        match self.known_integer(number) {
            // No text has so many parts.
            Some(number) => {
                let most = i64::from(i32::MAX);
                self.bind(Parameter::Integer(number.clamp(-most, most)));
            }
            None => self.expression(number, Some(ValueType::Integer))?,
        }
        self.put(")::integer)");
        Some(())
    }

    /// A whole number that is written in the query or was sent.
    fn known_integer(&self, expression: &Expression) -> Option<i64> {
        let literal = if let Expression::Sent(index) = expression {
            self.bindings.values().get(*index)?.as_ref()?
        } else if let Expression::Literal(literal) = expression {
            literal
        } else {
            return None;
        };
        if let Literal::Integer(number) = literal { Some(*number) } else { None }
    }

    fn around(
        &mut self,
        before: &str,
        operand: &Expression,
        after: &str,
        of: Option<ValueType>,
    ) -> Option<()> {
        self.put(before);
        self.expression(operand, of)?;
        self.put(after);
        Some(())
    }

    fn wrapped(
        &mut self,
        before: &str,
        operands: &[Expression],
        between: &str,
        after: &str,
        of: Option<ValueType>,
    ) -> Option<()> {
        self.put(before);
        self.list(operands, between, of)?;
        self.put(after);
        Some(())
    }
}

/// The type that has the values. Moments are the milliseconds that are stored.
fn type_name(of: ValueType) -> &'static str {
    match of {
        ValueType::Boolean => "boolean",
        ValueType::Integer | ValueType::Time => "bigint",
        ValueType::Numeric => "numeric",
        ValueType::Text => "text",
        ValueType::Json => "jsonb",
    }
}

/// Texts are compared by their bytes, whatever the database's own order is.
fn collation(of: ValueType) -> &'static str {
    match of {
        ValueType::Text => " COLLATE \"C\"",
        ValueType::Boolean
        | ValueType::Integer
        | ValueType::Numeric
        | ValueType::Json
        | ValueType::Time => "",
    }
}

/// The number of an item is one of 32 bits; no list has more, so that further ones are NULL. So
/// is NULL itself, which stands for the least of them here.
const ITEM: (&str, &str) = (" -> least(greatest(", ", -2147483648), 2147483647)::integer)");
const ITEM_TEXT: (&str, &str) = (" ->> least(greatest(", ", -2147483648), 2147483647)::integer)");

/// A text that is a number. Versions differ in what else they take: `0x1`, `1_000`, `.5`, `NaN`.
/// A `?` before such a text makes it one that none takes.
const TO_NUMERIC: (&str, &str) = (
    "regexp_replace(",
    ", '^(?![ \\t\\n\\f\\r]*[+-]?[0-9]+(\\.[0-9]+)?([eE][+-]?0*([0-9]{1,3}|1000))?[ \\t\\n\\f\\r]*$)', \
     '?')::numeric",
);

/// The type of a cast's operand, and what stands before and after it.
fn around_cast(cast: Cast) -> (ValueType, &'static str, &'static str) {
    use ValueType::{Boolean, Integer, Json, Numeric, Text};
    // The whole numbers that every version reads alike.
    const WHOLE: &str = ", '^(?![ \\t\\n\\f\\r]*[+-]?[0-9]+[ \\t\\n\\f\\r]*$)', '?')::bigint";
    const WHOLE_SMALL: &str =
        ", '^(?![ \\t\\n\\f\\r]*[+-]?[0-9]+[ \\t\\n\\f\\r]*$)', '?')::integer::bigint";
    match cast {
        Cast::TextToJson => (Text, "(", ")::jsonb"),
        Cast::TextToInteger => (Text, "regexp_replace(", WHOLE_SMALL),
        Cast::TextToBigint => (Text, "regexp_replace(", WHOLE),
        Cast::TextToNumeric => (Text, TO_NUMERIC.0, TO_NUMERIC.1),
        // PostgreSQL trims a vertical tab besides white space.
        Cast::TextToBoolean => (Text, "translate(", ", chr(11), '?')::boolean"),
        Cast::JsonToText => (Json, "(", ")::text"),
        // By its text, which is a number for a number alone. A cast of JSON's `null` is an error
        // in one version and NULL in another.
        Cast::JsonToNumeric => (Json, "(", ")::text::numeric"),
        // As above; the texts of numbers that are read as booleans are made ones that are not.
        Cast::JsonToBoolean => (Json, "translate((", ")::text, '01', '??')::boolean"),
        Cast::BigintToInteger => (Integer, "(", ")::integer::bigint"),
        Cast::IntegerToText => (Integer, "(", ")::text"),
        Cast::IntegerToNumeric => (Integer, "(", ")::numeric"),
        Cast::NumericToText => (Numeric, "(", ")::text"),
        Cast::BooleanToText => (Boolean, "(", ")::text"),
        Cast::AsJson(of) => (of, "coalesce(to_jsonb(", "), 'null'::jsonb)"),
    }
}
