//! Types of values: those of literals and of values of the request follow from what they are
//! compared with, as in PostgreSQL, and no other value is converted without a cast.

use firewarden_fhir::TimeRange;
use firewarden_fhir::{Timestamp, json};

use super::super::Refusal;
use super::Checker;
use crate::policy_query::{Cast, Expression, Function, Literal, Reading, ValueType, is_number};

/// A checked expression, and what is known of its type.
pub(super) enum Typed {
    /// It is of that type.
    Known(ValueType, Expression),
    /// A text in quotes: of any type that it can be read as.
    Quoted(String),
    /// NULL.
    Null,
    /// A value of the request, by its number in the text.
    Sent(usize),
}

impl Typed {
    /// Its type, where it has one.
    pub(super) fn known(&self) -> Option<ValueType> {
        match self {
            Self::Known(of, _) => Some(*of),
            Self::Quoted(_) | Self::Null | Self::Sent(_) => None,
        }
    }

    pub(super) fn boolean(expression: Expression) -> Self {
        Self::Known(ValueType::Boolean, expression)
    }
}

/// The type that several expressions are brought to: that of the first that has one, and numeric
/// where only some are whole numbers. A text, where none has one.
pub(super) fn shared_type(of: &[Typed]) -> ValueType {
    let mut known = of.iter().filter_map(Typed::known);
    let first = known.next().unwrap_or(ValueType::Text);
    let mixed = first == ValueType::Integer && known.any(|of| of == ValueType::Numeric);
    if mixed { ValueType::Numeric } else { first }
}

impl Checker {
    /// The expression as a value of that type, without a cast.
    pub(super) fn as_type(&mut self, typed: Typed, to: ValueType) -> Result<Expression, Refusal> {
        match typed {
            Typed::Known(of, expression) if of == to => Ok(expression),
            Typed::Known(ValueType::Integer, expression) if to == ValueType::Numeric => {
                Ok(cast(Cast::IntegerToNumeric, expression))
            }
            Typed::Known(of, _) => Err(Refusal(format!(
                "a value of the type {} stands where one of the type {} is needed; cast it with \
                 `::`",
                of.name(),
                to.name()
            ))),
            Typed::Quoted(text) => literal(&text, to).map(Expression::Literal),
            Typed::Null => Ok(Expression::Null),
            Typed::Sent(_) if to == ValueType::Time => {
                Err(Refusal::new("a value of the request is not compared with a time"))
            }
            Typed::Sent(value) => Ok(Expression::Sent(self.want(value, Reading::As(to))?)),
        }
    }

    /// The expression, cast to a type; to the smaller one of whole numbers where `small` is set.
    pub(super) fn cast_to(
        &mut self,
        typed: Typed,
        to: ValueType,
        small: bool,
    ) -> Result<Typed, Refusal> {
        let of = match typed {
            Typed::Known(ValueType::Integer, expression) if small && to == ValueType::Integer => {
                cast(Cast::BigintToInteger, expression)
            }
            Typed::Known(of, expression) if of == to => return Ok(Typed::Known(to, expression)),
            Typed::Known(of, expression) => {
                let cast_of = cast_between(of, to, small).ok_or_else(|| {
                    Refusal(format!("{} is not cast to {} here", of.name(), to.name()))
                })?;
                cast(cast_of, expression)
            }
            Typed::Quoted(text) if small && text.parse::<i32>().is_err() => {
                return Err(Refusal(format!("`{text}` is not a whole number of 32 bits")));
            }
            Typed::Quoted(text) => Expression::Literal(literal(&text, to)?),
            Typed::Null => Expression::Null,
            Typed::Sent(_) if to == ValueType::Time => {
                return Err(Refusal::new("a value of the request is not cast to a time"));
            }
            Typed::Sent(value) => {
                let sent = Expression::Sent(self.want(value, Reading::Cast(to))?);
                if small { cast(Cast::BigintToInteger, sent) } else { sent }
            }
        };
        Ok(Typed::Known(to, of))
    }

    /// The expression as JSON, as the builders of JSON take it.
    pub(super) fn as_json(&mut self, typed: Typed) -> Result<Expression, Refusal> {
        let of = match typed.known() {
            Some(ValueType::Time) => return Err(Refusal::new("a time is not put into JSON")),
            Some(of) => of,
            None => ValueType::Text,
        };
        let expression = self.as_type(typed, of)?;
        Ok(cast(Cast::AsJson(of), expression))
    }
}

fn cast(cast: Cast, of: Expression) -> Expression {
    Expression::Call(Function::Cast(cast), vec![of])
}

fn cast_between(of: ValueType, to: ValueType, small: bool) -> Option<Cast> {
    use ValueType::{Boolean, Integer, Json, Numeric, Text};
    Some(match (of, to) {
        (Text, Json) => Cast::TextToJson,
        (Text, Integer) if small => Cast::TextToInteger,
        (Text, Integer) => Cast::TextToBigint,
        (Text, Numeric) => Cast::TextToNumeric,
        (Text, Boolean) => Cast::TextToBoolean,
        (Json, Text) => Cast::JsonToText,
        (Json, Numeric) => Cast::JsonToNumeric,
        (Json, Boolean) => Cast::JsonToBoolean,
        (Integer, Text) => Cast::IntegerToText,
        (Integer, Numeric) => Cast::IntegerToNumeric,
        (Numeric, Text) => Cast::NumericToText,
        (Boolean, Text) => Cast::BooleanToText,
        (
            Boolean | Integer | Numeric | Text | Json | ValueType::Time,
            Boolean | Integer | Numeric | Text | Json | ValueType::Time,
        ) => return None,
    })
}

/// A text in quotes, read as a value of that type.
fn literal(text: &str, to: ValueType) -> Result<Literal, Refusal> {
    let unread = || Refusal(format!("`{text}` is not a value of the type {}", to.name()));
    Ok(match to {
        ValueType::Text => Literal::Text(text.to_owned()),
        ValueType::Boolean => match text {
            "true" | "t" => Literal::Boolean(true),
            "false" | "f" => Literal::Boolean(false),
            _ => return Err(unread()),
        },
        ValueType::Integer => Literal::Integer(text.parse().map_err(|_| unread())?),
        ValueType::Numeric if is_number(text) => Literal::Numeric(text.to_owned()),
        ValueType::Numeric => return Err(unread()),
        ValueType::Json => Literal::Json(json::parse(text.as_bytes()).map_err(|_| unread())?),
        ValueType::Time => {
            let range = TimeRange::parse(text).ok_or_else(unread)?;
            let time = Timestamp::from_microsecond(range.low_us).map_err(|_| unread())?;
            Literal::Time(time)
        }
    })
}
