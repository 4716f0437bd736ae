//! The engines, each with its cases.

mod json_schema;
