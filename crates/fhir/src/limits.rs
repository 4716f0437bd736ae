//! How much input this crate accepts; each limit has a test where it is applied.

/// Levels of objects and arrays in a JSON or YAML document.
pub const NESTING_DEPTH_MAX: usize = 64;
/// Objects, arrays and scalars in one JSON document: a Bundle of 64 MiB of real records has fewer.
pub const JSON_VALUES_MAX: usize = 2_000_000;
/// Objects, arrays, members' names and scalars in one YAML document.
pub const YAML_NODES_MAX: usize = 1_000_000;
/// Characters of one number.
pub const NUMBER_LENGTH_MAX: usize = 64;
/// Size of the exponent of a `decimal` (<https://hl7.org/fhir/R4/datatypes.html#decimal>).
pub const DECIMAL_EXPONENT_MAX: i64 = 1_000;
/// Parameters of one search.
pub const SEARCH_PARAMETERS_MAX: usize = 100;
/// Alternatives (`a,b,c`) of one search parameter.
pub const SEARCH_ALTERNATIVES_MAX: usize = 200;
/// Links of one chained parameter, `_has` included.
pub const CHAIN_DEPTH_MAX: usize = 4;
/// Types that the chains of one search are followed to.
pub const CHAINED_TYPES_MAX: usize = 200;
/// Types whose references the includes of one search follow; `*` counts each type.
pub const INCLUDES_MAX: usize = 200;
/// Keys of `_sort`.
pub const SORT_KEYS_MAX: usize = 8;
/// Resources on one page of a search or a history.
pub const PAGE_ENTRIES_MAX: u32 = 1_000;
/// Resources on one page when `_count` does not say.
pub const PAGE_ENTRIES_DEFAULT: u32 = 100;
/// Entries of one batch or transaction.
pub const BUNDLE_ENTRIES_MAX: usize = 10_000;
/// Issues reported for one resource; further ones are not looked for.
pub const ISSUES_MAX: usize = 50;
/// Bytes of one `string` or `markdown` (<https://hl7.org/fhir/R4/datatypes.html#string>).
pub const STRING_BYTES_MAX: usize = 1024 * 1024;
