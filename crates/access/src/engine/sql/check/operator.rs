//! The check of operators between two values.

use sqlparser::ast::{BinaryOperator, Expr};

use super::super::Refusal;
use super::Checker;
use super::typed::{Typed, shared_type};
use crate::limits::QUERY_ARGUMENTS_MAX;
use crate::policy_query::{Comparison, Expression, Function, Operator, ValueType};

impl Checker {
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not listed is refused")]
    pub(super) fn binary(
        &mut self,
        left: &Expr,
        operator: &BinaryOperator,
        right: &Expr,
    ) -> Result<Typed, Refusal> {
        let comparison = match operator {
            BinaryOperator::And => {
                return Ok(Typed::boolean(Expression::All(self.operands(operator, left, right)?)));
            }
            BinaryOperator::Or => {
                return Ok(Typed::boolean(Expression::Any(self.operands(operator, left, right)?)));
            }
            BinaryOperator::StringConcat => return self.concatenation(operator, left, right),
            BinaryOperator::Arrow
            | BinaryOperator::LongArrow
            | BinaryOperator::HashArrow
            | BinaryOperator::HashLongArrow => return self.member(left, operator, right),
            BinaryOperator::AtArrow => {
                let arguments = vec![self.json(left, operator)?, self.json(right, operator)?];
                return Ok(Typed::boolean(Expression::Call(Function::Contains, arguments)));
            }
            BinaryOperator::Eq => Operator::Equal,
            BinaryOperator::NotEq => Operator::NotEqual,
            BinaryOperator::Lt => Operator::Less,
            BinaryOperator::LtEq => Operator::LessOrEqual,
            BinaryOperator::Gt => Operator::Greater,
            BinaryOperator::GtEq => Operator::GreaterOrEqual,
            other => {
                let told = format!(
                    "the operator `{other}` is not served; = <> < <= > >= -> ->> #> #>> @> || are"
                );
                return Err(Refusal(told));
            }
        };
        self.comparison(comparison, left, right)
    }

    fn operands(
        &mut self,
        operator: &BinaryOperator,
        left: &Expr,
        right: &Expr,
    ) -> Result<Vec<Expression>, Refusal> {
        let operands = Self::chain(operator, left, right);
        operands.into_iter().map(|operand| self.condition(operand)).collect()
    }

    fn comparison(
        &mut self,
        operator: Operator,
        left: &Expr,
        right: &Expr,
    ) -> Result<Typed, Refusal> {
        let typed = [self.expression(left)?, self.expression(right)?];
        let of = shared_type(&typed);
        let equality = matches!(operator, Operator::Equal | Operator::NotEqual);
        if !equality && matches!(of, ValueType::Boolean | ValueType::Json) {
            let told = format!("values of the type {} are compared with = and <> alone", of.name());
            return Err(Refusal(told));
        }
        let [left, right] = typed;
        let (left, right) = (self.as_type(left, of)?, self.as_type(right, of)?);
        let comparison = Comparison { operator, of, left, right };
        Ok(Typed::boolean(Expression::Compare(Box::new(comparison))))
    }

    /// Texts joined, or JSON.
    fn concatenation(
        &mut self,
        operator: &BinaryOperator,
        left: &Expr,
        right: &Expr,
    ) -> Result<Typed, Refusal> {
        let operands = Self::chain(operator, left, right);
        if operands.len() > QUERY_ARGUMENTS_MAX {
            return Err(Refusal(format!("`||` joins at most {QUERY_ARGUMENTS_MAX} values")));
        }
        let mut operands = operands.into_iter();
        let mut joined = match operands.next() {
            Some(first) => self.expression(first)?,
            None => Typed::Null,
        };
        for operand in operands {
            let pair = [joined, self.expression(operand)?];
            let of = shared_type(&pair);
            let [left, right] = pair;
            let (left, right) = (self.as_type(left, of), self.as_type(right, of));
            let call = match of {
                ValueType::Text => concatenated(left?, right?),
                ValueType::Json => Expression::Call(Function::MergeJson, vec![left?, right?]),
                ValueType::Boolean | ValueType::Integer | ValueType::Numeric | ValueType::Time => {
                    let told = "`||` joins two texts or two values of the type jsonb; cast others \
                                with `::text`";
                    return Err(Refusal::new(told));
                }
            };
            joined = Typed::Known(of, call);
        }
        Ok(joined)
    }

    fn member(
        &mut self,
        left: &Expr,
        operator: &BinaryOperator,
        right: &Expr,
    ) -> Result<Typed, Refusal> {
        let is_text = matches!(operator, BinaryOperator::LongArrow | BinaryOperator::HashLongArrow);
        let is_path = matches!(operator, BinaryOperator::HashArrow | BinaryOperator::HashLongArrow);
        let json = self.json(left, operator)?;
        let key = self.expression(right)?;
        let (function, mut arguments) = if is_path {
            let Typed::Quoted(path) = key else {
                let told = format!("on the right of `{operator}` stands a path like '{{a,b,0}}'");
                return Err(Refusal(told));
            };
            let path = path_steps(&path)?;
            (if is_text { Function::PathText(path) } else { Function::Path(path) }, Vec::new())
        } else if key.known() == Some(ValueType::Integer) {
            let key = self.as_type(key, ValueType::Integer)?;
            (if is_text { Function::ItemText } else { Function::Item }, vec![key])
        } else {
            let key = self.as_type(key, ValueType::Text)?;
            (if is_text { Function::MemberText } else { Function::Member }, vec![key])
        };
        arguments.insert(0, json);
        let of = if is_text { ValueType::Text } else { ValueType::Json };
        Ok(Typed::Known(of, Expression::Call(function, arguments)))
    }

    /// An operand that is JSON. A text in quotes is read as JSON; a value of the request is taken
    /// for it where its type is told, since nothing else says that the author expects an object.
    fn json(&mut self, operand: &Expr, operator: &BinaryOperator) -> Result<Expression, Refusal> {
        let typed = self.expression(operand)?;
        if matches!(typed, Typed::Sent(_)) {
            let told = format!(
                "a value of the request beside `{operator}` is written `{{{{path}}}}::jsonb`; a \
                 part of it is named in the path, as in `{{{{user.data.x}}}}`"
            );
            return Err(Refusal(told));
        }
        self.as_type(typed, ValueType::Json)
    }
}

/// The texts of a chain in one call, so that a long one is not deep.
fn concatenated(left: Expression, right: Expression) -> Expression {
    let mut arguments = vec![left, right];
    if let [Expression::Call(Function::Concatenate, joined), _] = arguments.as_mut_slice() {
        let joined = std::mem::take(joined);
        arguments.splice(..1, joined);
    }
    Expression::Call(Function::Concatenate, arguments)
}

/// The steps of a path written as PostgreSQL writes an array of texts: `{a,"b c",0}`.
fn path_steps(text: &str) -> Result<Vec<String>, Refusal> {
    let unsound = || {
        Refusal(format!("`{text}` is not a path like `{{a,b,0}}`; steps have no quotes or spaces"))
    };
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let inner = inner.ok_or_else(unsound)?;
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    let steps: Vec<String> = inner.split(',').map(str::to_owned).collect();
    let sound = |step: &String| {
        !step.is_empty()
            && !step.eq_ignore_ascii_case("null")
            && step.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '{' | '}' | '"' | '\\'))
    };
    if steps.iter().all(sound) { Ok(steps) } else { Err(unsound()) }
}
