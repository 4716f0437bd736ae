//! The whole server over HTTP: what is asked, by whom, and the whole answer.

#![cfg(test)]

mod cases;
mod harness;
mod http;

mod credentials;
mod guide;
mod paths;
mod routes;
mod static_keys;
