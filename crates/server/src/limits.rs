//! How much a client may ask of this server; each limit has a test where it is applied.

use std::time::Duration;

use jiff::SignedDuration;

pub use crate::attempts::{Patience, Rate};

/// Bytes of the request line's target.
pub const URI_BYTES_MAX: usize = 8 * 1024;
/// Header fields of a request.
pub const HEADERS_MAX: usize = 100;
/// Bytes of all header fields together, read into one buffer.
pub const HEADER_BYTES_MAX: usize = 32 * 1024;
/// How long a client may take to tell its version of HTTP, and then to send its header fields.
pub const HEADER_READ_S_MAX: Duration = Duration::from_secs(10);
/// How long a request may take, its body's arrival included.
pub const REQUEST_S_MAX: Duration = Duration::from_secs(30);
/// How long a shutdown waits for the requests in flight.
pub const SHUTDOWN_S_MAX: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take.
pub const TLS_HANDSHAKE_S_MAX: Duration = Duration::from_secs(10);
/// Connections at one time; further ones are closed at once.
pub const CONNECTIONS_MAX: usize = 8_192;
/// HTTP/2 streams of one connection at one time.
pub const HTTP2_STREAMS_MAX: u32 = 128;
/// How often a request whose decision has gone stale is decided again: of so many administrators who
/// write at one time, each gets its turn.
pub const DECISIONS_MAX: usize = 64;
/// Entries of a batch that are performed at one time.
pub const BATCH_ENTRIES_AT_ONCE: usize = 16;
/// Users, clients and roles remembered for one policy version.
pub const DIRECTORY_CACHE_ENTRIES_MAX: u64 = 10_000;
/// How often the files of the TLS certificate are looked at.
pub const TLS_RELOAD_S: Duration = Duration::from_secs(30);
/// Default of `FIREWARDEN_BODY_LIMIT`.
pub const BODY_BYTES_DEFAULT: usize = 2 * 1024 * 1024;
/// Default of `FIREWARDEN_BUNDLE_LIMIT`.
pub const BUNDLE_BYTES_DEFAULT: usize = 64 * 1024 * 1024;
/// Bytes of all bodies in flight together; further ones wait.
pub const BODIES_BYTES_MAX: usize = 512 * 1024 * 1024;
/// The same, of callers without a credential; theirs are never taken from the others'.
pub const ANONYMOUS_BODIES_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Secrets hashed at one time.
pub const HASHES_AT_ONCE: usize = 2;
/// How long a secret waits to be hashed.
pub const HASH_WAIT_S_MAX: Duration = Duration::from_secs(5);
/// Pages of users that are looked through for those without a binding to an introspector.
pub const USER_PAGES_COUNTED_MAX: usize = 100;
/// How long no connection is accepted after one could not be.
pub const ACCEPT_PAUSE_S: Duration = Duration::from_millis(100);
/// How often a silent HTTP/2 connection is asked whether it is still there.
pub const HTTP2_PING_S: Duration = Duration::from_secs(20);
/// Connections that wait to be accepted.
pub const BACKLOG: u32 = 1_024;
/// Bytes of the log that wait to be written; further lines are lost, and their number logged.
pub const LOG_BYTES_WAITING_MAX: usize = 4 * 1024 * 1024;
/// How often the log is written.
pub const LOG_FLUSH_S: Duration = Duration::from_millis(20);
/// Compressed bytes that are decompressed on the request's own thread.
pub const DECOMPRESSED_INLINE_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a request for a token.
pub const TOKEN_REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Seconds that a session token lives when its client does not say.
pub const SESSION_S_DEFAULT: u64 = 60 * 60;
/// How often sessions that are over are ended.
pub const SESSION_SWEEP_S: Duration = Duration::from_secs(60);
/// Tokens that one client is issued.
pub const TOKENS_ISSUED: Rate = Rate { burst: 60, per_s: 1 };
/// Credentials of one place that are refused; more are not looked at.
pub const REFUSALS: Rate = Rate { burst: 5_000, per_s: 250 };
/// Wrong secrets of one client at one place.
pub const FAILURES_OF_CLIENT_AT_PLACE: Patience = Patience { free: 5, wait_s_max: 300 };
/// Wrong secrets of any client at one place.
pub const FAILURES_AT_PLACE: Patience = Patience { free: 20, wait_s_max: 60 };
/// Wrong secrets of one client at any place. Whoever guesses can make a client at a new place wait
/// for so long, and no longer.
pub const FAILURES_OF_CLIENT: Patience = Patience { free: 50, wait_s_max: 5 };
/// How long after the last failure the earlier ones are forgotten.
pub const FAILURES_REMEMBERED: SignedDuration = SignedDuration::from_mins(15);
/// How long a place counts as a client's own after it authenticated there.
pub const AUTHENTICATED_KNOWN: SignedDuration = SignedDuration::from_hours(24);
/// How long it is not noted again that a client authenticated at a place.
pub const AUTHENTICATED_NOTED_AGAIN: SignedDuration = SignedDuration::from_mins(15);
/// Entries of each table of attempts.
pub const ATTEMPTS_REMEMBERED_MAX: u64 = 20_000;
/// Requests whose decisions are kept for administrators who ask why.
pub const TRACES_MAX: usize = 10_000;
/// Bytes of these decisions, about.
pub const TRACES_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The same, of callers without a credential; theirs drive out no others.
pub const ANONYMOUS_TRACES_MAX: usize = 1_000;
/// Bytes of these, about.
pub const ANONYMOUS_TRACES_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Entries of one Bundle whose decisions are kept, or explained.
pub const TRACED_ENTRIES_MAX: usize = 100;
/// Bytes that a kept decision is counted as, besides what was sent and who sent it.
pub const TRACE_BYTES: usize = 1_024;
/// Different contents of the policies, the newest first, by which reasons are told.
pub const TRACED_POLICY_SETS_MAX: usize = 4;
/// Policies in all of these together.
pub const TRACED_POLICIES_MAX: usize = 10_000;
/// Tests of policies that are stored, and run with each change of a policy.
pub const POLICY_TESTS_MAX: usize = 1_000;
/// Requests that policies in shadow mode are asked about at one time; more are missed.
pub const SHADOWS_AT_ONCE: usize = 64;
/// Bytes of a body, about, that such a policy is asked about.
pub const SHADOW_BODY_BYTES_MAX: usize = 64 * 1024;
/// How long it may take.
pub const SHADOW_S_MAX: Duration = Duration::from_secs(1);
/// Policies in shadow mode that are counted for.
pub const SHADOWS_COUNTED_MAX: usize = 1_000;
/// Examples that are kept of each kind, of each of these policies.
pub const SHADOW_EXAMPLES_MAX: usize = 20;
/// Files of one import.
pub const IMPORT_FILES_MAX: usize = 1_000_000;
/// Folders within each other that an import looks into.
pub const IMPORT_FOLDER_DEPTH_MAX: usize = 16;
/// Lines that are prepared together, by one of several threads.
pub const IMPORT_CHUNK_LINES: usize = 256;
/// Bytes after which no further line is prepared together with others.
pub const IMPORT_CHUNK_BYTES: usize = 512 * 1024;
/// Such chunks that are read and not committed.
pub const IMPORT_CHUNKS_AT_ONCE: usize = 96;
/// Resources that are committed together.
pub const IMPORT_BATCH_ITEMS: usize = 20_000;
/// Bytes after which no further resource is committed together with others.
pub const IMPORT_BATCH_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of resources after which an export begins another file.
pub const EXPORT_FILE_BYTES: u64 = 256 * 1024 * 1024;
/// Jobs that one process runs at a time.
pub const JOBS_AT_ONCE: usize = 2;
/// How often a process looks for a job that waits.
pub const JOB_LOOK_S: Duration = Duration::from_secs(1);
/// Looks for jobs between two times that ended ones are forgotten.
pub const JOB_LOOKS_BETWEEN_SWEEPS: u64 = 3_600;
/// How long a job rests at most after a step, for others to write.
pub const JOB_REST_S_MAX: Duration = Duration::from_millis(200);
/// How often a start looks whether what it needs is indexed.
pub const INDEX_LOOK_S: Duration = Duration::from_millis(50);
