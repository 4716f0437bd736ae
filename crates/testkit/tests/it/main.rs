//! Tests of what other tests stand on.

#![cfg(test)]

mod postgres;
