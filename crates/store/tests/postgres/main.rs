//! The contract that every store keeps, on PostgreSQL. Without PostgreSQL nothing is tested.

#![cfg(test)]

#[path = "../it/moved.rs"]
mod moved;
mod moving;
#[path = "../it/opened.rs"]
mod opened;
mod place;
mod postgres;
