//! Reads a search from its parameters.
