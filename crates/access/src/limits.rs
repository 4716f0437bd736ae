//! How much this crate works through; each limit has a test where it is applied.

/// Policies that one decision evaluates. Those beyond it grant nothing.
pub const POLICIES_PER_DECISION_MAX: usize = 10_000;
/// Policies that a denial or an explanation lists.
pub const CONSIDERED_MAX: usize = 50;
