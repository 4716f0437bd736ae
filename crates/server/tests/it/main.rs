//! The whole server over HTTP: what is asked, by whom, and the whole answer.

#![cfg(test)]

mod cases;
mod harness;
mod http;

mod bodies;
mod conversations;
mod credentials;
mod edges;
mod guide;
mod opaque_tokens;
mod pages;
mod paths;
mod races;
mod routes;
mod secrets;
mod starting;
mod static_keys;
