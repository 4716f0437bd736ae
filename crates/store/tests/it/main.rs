//! The contract that every store keeps, and what is particular to SQLite.

#![cfg(test)]

mod conditional;
mod histories;
mod limited;
mod loading;
mod matching;
mod moved;
mod opened;
mod opening;
mod place;
mod policies;
mod random;
mod reindexing;
mod rows;
mod searches;
mod secrets;
mod writes;
