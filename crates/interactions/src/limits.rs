//! How much is done for one request; each limit has a test where it is applied.

/// Bytes of resources in the answer to one Bundle. An entry that comes to its turn when there are
/// as many is not performed.
pub const BUNDLE_ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
