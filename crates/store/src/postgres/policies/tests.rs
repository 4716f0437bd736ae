//! What the rules of policies say on PostgreSQL, what they reach, and how they end.

mod database;
mod differential;
mod ended;
mod queries;
mod reach;
mod shape;
