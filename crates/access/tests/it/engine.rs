//! The engines, each with its cases.

mod complex;
mod json_schema;
mod matcho;
mod sql;
