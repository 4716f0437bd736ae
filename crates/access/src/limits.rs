//! How much this crate works through; each limit has a test where it is applied.

/// Policies that one decision evaluates. Those beyond it grant nothing.
pub const POLICIES_PER_DECISION_MAX: usize = 10_000;
/// Policies that a denial or an explanation lists.
pub const CONSIDERED_MAX: usize = 50;
/// Seconds that a token of this server's own lives at most, whatever its Client asks for.
pub const SESSION_TOKEN_S_MAX: u64 = 24 * 60 * 60;
/// Schemas inside one another in a json-schema rule.
pub const SCHEMA_DEPTH_MAX: usize = 32;
/// Schemas that a json-schema rule comes to when every `$ref` is written out.
pub const SCHEMAS_MAX: usize = 10_000;
/// Bytes that one compiled regular expression may take.
pub const PATTERN_SIZE_BYTES_MAX: usize = 1 << 20;
/// Absent values of `$data` under `if` or `oneOf` in one evaluation; with more a rule does not hold.
pub const ABSENT_UNCERTAIN_MAX: usize = 8;
/// Characters of a value that a trace shows.
pub const TRACE_VALUE_CHARACTERS_MAX: usize = 200;
/// Different rows of one type that a permit holds as alternatives; a request with more is refused.
pub const ROW_ALTERNATIVES_MAX: usize = 100;
/// Bytes of a value that rows take from a request. A longer one is taken for absent.
pub const BOUND_VALUE_BYTES_MAX: usize = 1024;
/// Bytes of the text of an `sql` policy's query.
pub const QUERY_BYTES_MAX: usize = 8 * 1024;
/// Parentheses, SELECTs and operators inside one another in a query.
pub const QUERY_DEPTH_MAX: usize = 24;
/// Bytes of the stack that a query is parsed on.
pub const QUERY_STACK_BYTES: usize = 8 * 1024 * 1024;
/// Arguments of a function, and texts that `||` joins.
pub const QUERY_ARGUMENTS_MAX: usize = 100;
/// Expressions in a query.
pub const QUERY_EXPRESSIONS_MAX: usize = 500;
/// Tables and lists of elements that a query reads.
pub const QUERY_SOURCES_MAX: usize = 16;
/// Values of the request that a query names.
pub const QUERY_PATHS_MAX: usize = 100;
/// Bytes of the values of one request that a query is run with.
pub const SENT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Patterns inside one another in a matcho rule.
pub const MATCHO_DEPTH_MAX: usize = 32;
/// Patterns in one matcho rule.
pub const MATCHO_PATTERNS_MAX: usize = 10_000;
/// Regular expressions in one matcho rule.
pub const MATCHO_EXPRESSIONS_MAX: usize = 100;
/// Comparisons of one evaluation of a matcho rule; with more it fails.
pub const MATCHO_STEPS_MAX: usize = 1_000_000;
/// Bytes of text that a regular expression searches for the price of one comparison.
pub const MATCHO_TEXT_BYTES_PER_STEP: usize = 16;
/// Failures that `/$matcho` lists.
pub const MATCHO_FAILURES_MAX: usize = 50;
/// Complex rules inside one another.
pub const COMPLEX_DEPTH_MAX: usize = 8;
/// Rules in one `and` or `or` of a complex rule.
pub const COMPLEX_BRANCHES_MAX: usize = 50;
/// Scopes of a token that are looked at; further ones grant nothing.
pub const SCOPES_MAX: usize = 200;
