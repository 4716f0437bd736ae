//! Placeholder.

mod real_provider;

pub use real_provider::RealProvider;
