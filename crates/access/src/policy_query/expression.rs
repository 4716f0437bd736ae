//! The expressions of a checked query.

use firewarden_fhir::Timestamp;
use serde_json::Value;

use super::Select;

/// The type of a value. A value of every type may be NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// True or false.
    Boolean,
    /// A whole number of 64 bits.
    Integer,
    /// A decimal number of any length.
    Numeric,
    /// A text, compared by its bytes in UTF-8.
    Text,
    /// A JSON value, as `jsonb` keeps it.
    Json,
    /// A moment.
    Time,
}

impl ValueType {
    /// Its name in PostgreSQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Numeric => "numeric",
            Self::Text => "text",
            Self::Json => "jsonb",
            Self::Time => "timestamptz",
        }
    }
}

/// A value of that type that is written in the query, or was sent with the request.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// A [`ValueType::Boolean`].
    Boolean(bool),
    /// A [`ValueType::Integer`].
    Integer(i64),
    /// A [`ValueType::Numeric`], in decimal digits, with or without an exponent.
    Numeric(String),
    /// A [`ValueType::Text`].
    Text(String),
    /// A [`ValueType::Json`].
    Json(Value),
    /// A [`ValueType::Time`].
    Time(Timestamp),
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// `id`: a text.
    Id,
    /// `version`: an integer.
    Version,
    /// `updated`: a time.
    Updated,
    /// `resource`: JSON, shaped as in a request document: a reference carries what it points at.
    Resource,
}

impl Column {
    /// The column of that name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "id" => Self::Id,
            "version" => Self::Version,
            "updated" => Self::Updated,
            "resource" => Self::Resource,
            _ => return None,
        })
    }

    /// The type of its values.
    pub fn value_type(self) -> ValueType {
        match self {
            Self::Id => ValueType::Text,
            Self::Version => ValueType::Integer,
            Self::Updated => ValueType::Time,
            Self::Resource => ValueType::Json,
        }
    }
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`; not of booleans and JSON.
    Less,
    /// `<=`; not of booleans and JSON.
    LessOrEqual,
    /// `>`; not of booleans and JSON.
    Greater,
    /// `>=`; not of booleans and JSON.
    GreaterOrEqual,
}

/// A comparison of two values of one type.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// How.
    pub operator: Operator,
    /// The type of both.
    pub of: ValueType,
    /// The value on the left.
    pub left: Expression,
    /// The value on the right.
    pub right: Expression,
}

/// A conversion of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// A text that is JSON.
    TextToJson,
    /// A text that is a whole number of 32 bits.
    TextToInteger,
    /// A text that is a whole number of 64 bits.
    TextToBigint,
    /// A text that is a number.
    TextToNumeric,
    /// A text that is a boolean.
    TextToBoolean,
    /// JSON as `jsonb` writes it.
    JsonToText,
    /// JSON that is a number.
    JsonToNumeric,
    /// JSON that is a boolean.
    JsonToBoolean,
    /// A whole number that has 32 bits.
    BigintToInteger,
    /// A whole number in digits.
    IntegerToText,
    /// A whole number.
    IntegerToNumeric,
    /// A number in digits.
    NumericToText,
    /// `true` or `false`.
    BooleanToText,
    /// A value as JSON: a text becomes a JSON string, NULL becomes `null`.
    AsJson(ValueType),
}

/// A function of values. All but the two builders are NULL where an argument is.
#[derive(Clone, Debug, PartialEq)]
pub enum Function {
    /// `jsonb -> text`: JSON.
    Member,
    /// `jsonb ->> text`: text.
    MemberText,
    /// `jsonb -> integer`: JSON.
    Item,
    /// `jsonb ->> integer`: text.
    ItemText,
    /// `jsonb #> '{…}'`: JSON.
    Path(Vec<String>),
    /// `jsonb #>> '{…}'`: text.
    PathText(Vec<String>),
    /// `jsonb @> jsonb`: boolean.
    Contains,
    /// `jsonb || jsonb`: JSON.
    MergeJson,
    /// `text || text`: text.
    Concatenate,
    /// `text LIKE text`, with `\` as the escape: boolean.
    Like,
    /// `split_part(text, text, integer)`: text.
    SplitPart,
    /// `jsonb_build_object(text, jsonb, …)`: JSON.
    BuildObject,
    /// `jsonb_build_array(jsonb, …)`: JSON.
    BuildArray,
    /// A conversion.
    Cast(Cast),
}

/// A value, or how it is computed.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// NULL.
    Null,
    /// A value written in the query.
    Literal(Literal),
    /// The value at this place of [`Bindings::values`](super::Bindings::values).
    Sent(usize),
    /// A column of the source with that number.
    Column(usize, Column),
    /// The item of the source with that number, which is of [`Rows::Elements`](super::Rows).
    Element(usize),
    /// AND of booleans.
    All(Vec<Expression>),
    /// OR of booleans.
    Any(Vec<Expression>),
    /// NOT.
    Not(Box<Expression>),
    /// IS NULL.
    IsNull(Box<Expression>),
    /// IS TRUE, IS FALSE: never NULL.
    Is(Box<Expression>, bool),
    /// A comparison.
    Compare(Box<Comparison>),
    /// Whether a value is one of a list, all of this type.
    In(ValueType, Box<Expression>, Vec<Expression>),
    /// Whether a value is among those that a SELECT of one column returns, all of this type.
    InSelect(ValueType, Box<Expression>, Box<Select>),
    /// The first that is not NULL.
    Coalesce(Vec<Expression>),
    /// A function of values.
    Call(Function, Vec<Expression>),
    /// Whether a SELECT returns a row.
    Exists(Box<Select>),
    /// The value that a SELECT of one column returns: NULL without a row, an error with several.
    One(Box<Select>),
    /// `count(*)`.
    Count,
}
