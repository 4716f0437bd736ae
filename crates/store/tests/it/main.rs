//! The contract that every store keeps, and what is particular to SQLite.

mod histories;
mod opened;
mod opening;
mod secrets;
mod writes;
