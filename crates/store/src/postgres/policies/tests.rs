//! What the rules of policies say on PostgreSQL, what they reach, and how they end.

mod cases;
mod database;
mod ended;
mod reach;
mod shape;
