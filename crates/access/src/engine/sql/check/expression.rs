//! The check of expressions, one node at a time.

use sqlparser::ast::{BinaryOperator, CastKind, DataType, ExactNumberInfo, Expr, TimezoneInfo};
use sqlparser::ast::{UnaryOperator, Value, ValueWithSpan};

use super::super::Refusal;
use super::super::template::Template;
use super::Checker;
use super::name::folded;
use super::typed::{Typed, shared_type};
use crate::limits::TRACE_VALUE_CHARACTERS_MAX;
use crate::policy_query::{Expression, Function, Literal, Reading, ValueType, is_number};

impl Checker {
    /// Checks an expression.
    pub(super) fn expression(&mut self, expression: &Expr) -> Result<Typed, Refusal> {
        self.deeper(|checker| checker.node(expression))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not listed is refused")]
    fn node(&mut self, node: &Expr) -> Result<Typed, Refusal> {
        match node {
            Expr::Nested(inner) => self.expression(inner),
            Expr::Value(ValueWithSpan { value, span: _ }) => self.value(value),
            Expr::Identifier(name) => {
                let (of, column) = self.scope.alone(&folded(name))?;
                Ok(Typed::Known(of, column))
            }
            Expr::CompoundIdentifier(names) => match names.as_slice() {
                [source, name] => {
                    let (of, column) = self.scope.of_source(&folded(source), &folded(name))?;
                    Ok(Typed::Known(of, column))
                }
                _ => Err(unserved(node)),
            },
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::UnaryOp { op, expr } => self.unary(op, expr),
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr,
                data_type,
                format: None,
            } => {
                let (to, small) = cast_type(data_type)?;
                let typed = self.expression(expr)?;
                self.cast_to(typed, to, small)
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
                let like = self.like(expr, pattern)?;
                Ok(Typed::boolean(negated_if(*negated, like)))
            }
            Expr::Function(function) => self.function(function),
            _ => self.test(node),
        }
    }

    /// Expressions that say whether something is so.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not listed is refused")]
    fn test(&mut self, node: &Expr) -> Result<Typed, Refusal> {
        let (negated, test) = match node {
            Expr::IsNull(of) => (false, self.is_null(of)?),
            Expr::IsNotNull(of) => (true, self.is_null(of)?),
            Expr::IsTrue(of) => (false, Expression::Is(Box::new(self.condition(of)?), true)),
            Expr::IsNotTrue(of) => (true, Expression::Is(Box::new(self.condition(of)?), true)),
            Expr::IsFalse(of) => (false, Expression::Is(Box::new(self.condition(of)?), false)),
            Expr::IsNotFalse(of) => (true, Expression::Is(Box::new(self.condition(of)?), false)),
            Expr::InList { expr, list, negated } => (*negated, self.in_list(expr, list)?),
            Expr::InSubquery { expr, subquery, negated } => {
                let value = self.expression(expr)?;
                let (select, types) = self.query(subquery)?;
                let of = single_type(&types)?;
                let value = self.as_type(value, of)?;
                (*negated, Expression::InSelect(of, Box::new(value), Box::new(select)))
            }
            Expr::Exists { subquery, negated } => {
                (*negated, Expression::Exists(Box::new(self.existence(subquery)?)))
            }
            Expr::Subquery(query) => {
                let (select, types) = self.query(query)?;
                return Ok(Typed::Known(single_type(&types)?, Expression::One(Box::new(select))));
            }
            _ => return Err(unserved(node)),
        };
        Ok(Typed::boolean(negated_if(negated, test)))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not listed is refused")]
    fn value(&mut self, value: &Value) -> Result<Typed, Refusal> {
        match value {
            Value::SingleQuotedString(text) => Ok(Typed::Quoted(text.clone())),
            Value::Number(digits, false) => number(digits),
            Value::Boolean(value) => {
                Ok(Typed::boolean(Expression::Literal(Literal::Boolean(*value))))
            }
            Value::Null => Ok(Typed::Null),
            Value::Placeholder(text) => match Template::value(text) {
                Some(value) if value < self.values.len() => Ok(Typed::Sent(value)),
                Some(_) | None => Err(Refusal(format!(
                    "`{text}` is not served: a value of the request is written `{{{{path}}}}`"
                ))),
            },
            other => Err(Refusal(format!("the literal `{other}` is not served"))),
        }
    }

    fn unary(&mut self, operator: &UnaryOperator, of: &Expr) -> Result<Typed, Refusal> {
        match (operator, of) {
            (UnaryOperator::Not, of) => {
                Ok(Typed::boolean(Expression::Not(Box::new(self.condition(of)?))))
            }
            (
                UnaryOperator::Minus,
                Expr::Value(ValueWithSpan { value: Value::Number(digits, false), span: _ }),
            ) => number(&format!("-{digits}")),
            (operator, _) => Err(Refusal(format!("the operator `{operator}` is not served here"))),
        }
    }

    fn is_null(&mut self, of: &Expr) -> Result<Expression, Refusal> {
        let typed = self.expression(of)?;
        let tested = match typed {
            // Without its value the query is not run: here it only has to be there.
            Typed::Sent(value) => {
                self.want(value, Reading::Present)?;
                return Ok(Expression::Literal(Literal::Boolean(false)));
            }
            Typed::Known(_, expression) => expression,
            Typed::Quoted(text) => Expression::Literal(Literal::Text(text)),
            Typed::Null => Expression::Null,
        };
        Ok(Expression::IsNull(Box::new(tested)))
    }

    fn in_list(&mut self, value: &Expr, list: &[Expr]) -> Result<Expression, Refusal> {
        if list.is_empty() {
            return Err(Refusal::new("the list of IN is empty"));
        }
        let mut typed = vec![self.expression(value)?];
        for item in list {
            typed.push(self.expression(item)?);
        }
        let of = shared_type(&typed);
        let mut checked = Vec::new();
        for typed in typed {
            checked.push(self.as_type(typed, of)?);
        }
        let value = checked.remove(0);
        Ok(Expression::In(of, Box::new(value), checked))
    }

    fn like(&mut self, value: &Expr, pattern: &Expr) -> Result<Expression, Refusal> {
        let value = self.expression(value)?;
        let value = self.as_type(value, ValueType::Text)?;
        let pattern = self.expression(pattern)?;
        if matches!(pattern, Typed::Sent(_)) {
            let doubt = "a value of the request is the pattern of a LIKE: its sender can write \
                         `%`, which matches everything";
            self.doubts.push(doubt.to_owned());
        }
        let pattern = self.as_type(pattern, ValueType::Text)?;
        if let Expression::Literal(Literal::Text(text)) = &pattern
            && text.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
        {
            return Err(Refusal::new("a pattern does not end with the escape `\\`"));
        }
        Ok(Expression::Call(Function::Like, vec![value, pattern]))
    }

    /// The operands of a chain of one operator, so that a long one is not deep.
    pub(super) fn chain<'a>(
        operator: &BinaryOperator,
        left: &'a Expr,
        right: &'a Expr,
    ) -> Vec<&'a Expr> {
        let mut operands = vec![right];
        let mut rest = left;
        while let Expr::BinaryOp { left, op, right } = rest
            && op == operator
        {
            operands.push(right);
            rest = left;
        }
        operands.push(rest);
        operands.reverse();
        operands
    }
}

fn negated_if(negated: bool, test: Expression) -> Expression {
    if negated { Expression::Not(Box::new(test)) } else { test }
}

fn single_type(types: &[Option<ValueType>]) -> Result<ValueType, Refusal> {
    match types {
        [of] => Ok(of.unwrap_or(ValueType::Text)),
        _ => Err(Refusal::new("a SELECT inside an expression has one column")),
    }
}

fn number(digits: &str) -> Result<Typed, Refusal> {
    if let Ok(integer) = digits.parse() {
        return Ok(Typed::Known(
            ValueType::Integer,
            Expression::Literal(Literal::Integer(integer)),
        ));
    }
    if is_number(digits) {
        let literal = Literal::Numeric(digits.to_owned());
        return Ok(Typed::Known(ValueType::Numeric, Expression::Literal(literal)));
    }
    Err(Refusal(format!("the number `{digits}` is not served: write digits, as in `1.5`")))
}

/// The type of a cast, and whether it is the smaller of the two of whole numbers.
#[expect(clippy::wildcard_enum_match_arm, reason = "what is not listed is refused")]
fn cast_type(of: &DataType) -> Result<(ValueType, bool), Refusal> {
    Ok(match of {
        DataType::Text => (ValueType::Text, false),
        DataType::JSONB => (ValueType::Json, false),
        DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => {
            (ValueType::Integer, true)
        }
        DataType::BigInt(None) | DataType::Int8(None) => (ValueType::Integer, false),
        DataType::Numeric(ExactNumberInfo::None) => (ValueType::Numeric, false),
        DataType::Bool | DataType::Boolean => (ValueType::Boolean, false),
        DataType::Timestamp(None, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => {
            (ValueType::Time, false)
        }
        other => {
            return Err(Refusal(format!(
                "a cast to `{other}` is not served; those to text, jsonb, integer, bigint, \
                 numeric, boolean and timestamptz are"
            )));
        }
    })
}

fn unserved(node: &Expr) -> Refusal {
    let shown: String = node.to_string().chars().take(TRACE_VALUE_CHARACTERS_MAX).collect();
    Refusal(format!(
        "`{shown}` is not served in a policy's query; columns, literals, `{{{{path}}}}`, AND, OR, \
         NOT, comparisons, IN, LIKE, IS NULL, EXISTS, casts, functions and the operators \
         -> ->> #> #>> @> || are"
    ))
}
