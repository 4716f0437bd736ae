//! How much is done for one request; each limit has a test where it is applied.

/// Bytes of resources in the answer to one Bundle. An entry that comes to its turn when there are
/// as many is not performed.
pub const BUNDLE_ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// References of one transaction that depend on a search.
pub const BUNDLE_SEARCHES_MAX: usize = 1_000;
/// How often what was included is looked at for more, the matches included.
pub const INCLUDE_DEPTH_MAX: usize = 3;
/// Resources that are added to a page by includes; more are left out, and it is told.
pub const INCLUDED_RESOURCES_MAX: usize = 1_000;
/// Bytes of resources on a page to which includes add more.
pub const PAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Resources whose references, or those to them, are looked up at once.
pub const REFERRED_TOGETHER_MAX: usize = 100;
