//! The whole server over HTTP: what is asked, by whom, and the whole answer.

#![cfg(test)]

mod cases;
mod fleet;
mod harness;
mod http;
mod toggles;

mod attempts;
mod bodies;
mod conversations;
mod credentials;
mod decisions;
mod discovery;
mod edges;
mod faults;
mod guide;
mod jobs;
mod nodes;
mod opaque_tokens;
mod operating;
mod pages;
mod paths;
mod pseudo_headers;
mod races;
mod reach;
mod revoked;
mod routes;
mod rules_in_sql;
mod secrets;
mod session_tokens;
mod shadow;
mod starting;
mod static_keys;
mod trust;
mod trust_outbound;
