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
mod pages;
mod paths;
mod routes;
mod secrets;
mod starting;
