//! How much this crate reads; each limit has a test where it is applied.

/// Bytes of one file of policies.
pub(crate) const POLICY_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
