//! The executable as a process: what it prints, how it ends, and what it keeps.

#![cfg(test)]

// The same words for asking as the server's own tests use.
#[path = "../../../server/tests/it/http.rs"]
mod http;
mod running;

mod backups;
mod canaries;
mod killed;
mod policy;
mod real_data;
mod real_provider;
mod serve;
mod token;
mod transfer;
