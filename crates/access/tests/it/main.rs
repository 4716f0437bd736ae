//! The whole of access, from stored policies and a request to a decision.

#![cfg(test)]

mod cases;
mod decide;
mod engine;
mod explain;
mod outside;
mod own_type;
mod properties;
mod table;
mod test_policy;
