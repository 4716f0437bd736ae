//! How much the store takes on at once; each limit has a test where it is applied.

use std::time::Duration;

/// Requests that wait for the writer. One more is refused as busy.
pub const WRITE_QUEUE_REQUESTS_MAX: usize = 1_024;
/// Requests committed together.
pub const BATCH_REQUESTS_MAX: usize = 256;
/// Writes committed together; one request may exceed it alone.
pub const BATCH_WRITES_MAX: usize = 2_000;
/// How often a batch is tried that other nodes are in the way of, before its requests are committed one
/// by one.
pub const BATCH_TRIES_MAX: usize = 3;
/// How often a single request is tried that other nodes are in the way of. Then it is busy.
pub const REQUEST_TRIES_MAX: usize = 32;
/// Writes of one request that are prepared on the caller's own thread; more go to another.
pub const WRITES_PREPARED_INLINE_MAX: usize = 16;
/// Systems whose numbers the writer remembers; it forgets them all when there are more.
pub const SYSTEMS_REMEMBERED_MAX: usize = 4_096;
/// Prepared statements kept by a connection.
pub const STATEMENTS_CACHED_MAX: usize = 128;
/// Connections for reading, of each kind.
pub const READERS_MAX: usize = 64;
/// Searches and histories that wait for a connection. One more is refused.
pub const READS_WAITING_MAX: usize = 1_024;
/// How long a search or a history waits for a connection.
pub const READ_WAIT: Duration = Duration::from_secs(2);
/// How long a search or a history may take.
pub const QUERY_TIME: Duration = Duration::from_secs(5);
/// How long a connection waits for another process's lock.
pub const BUSY_TIME: Duration = Duration::from_secs(2);
/// Virtual machine instructions of SQLite between two looks at whether the time is up.
pub const INSTRUCTIONS_BETWEEN_CHECKS: i32 = 4_000;
/// Looks at whether the time is up that one search of the writer may take: it has no clock, and
/// others wait for it. Some hundred milliseconds.
pub const WRITER_SEARCH_CHECKS_MAX: u32 = 5_000;
/// The same on PostgreSQL, where instructions are not ours to count.
pub const POSTGRES_WRITER_SEARCH_TIME: Duration = Duration::from_secs(1);
/// Bytes of bodies after which a page of matches, or of a history, ends. It has at least one, and
/// leaves room for as many bytes that are included.
pub const PAGE_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Resources that are read together.
pub const READ_TOGETHER_MAX: usize = 10_000;
/// Pages in the write-ahead log before they are moved to the database.
pub const WAL_PAGES: i64 = 16_000;
/// Bytes that the write-ahead log's file keeps when it is empty.
pub const WAL_FILE_BYTES_MAX: i64 = 64 * 1024 * 1024;
/// KiB of the database that the writer, a point reader and a searcher keep in memory.
pub const WRITER_CACHE_KIB: i64 = 64 * 1024;
/// See [`WRITER_CACHE_KIB`].
pub const READER_CACHE_KIB: i64 = 8 * 1024;
/// Bytes of a text in an index key; the rest is compared with the packed values.
pub const KEY_TEXT_BYTES_MAX: usize = 192;
/// Bytes of a text that a sort compares.
pub const SORT_TEXT_BYTES_MAX: usize = 128;
/// Alternatives of a criterion whose orders are merged; more are gathered and put in order.
pub const UNION_LEGS_MAX: usize = 100;
/// Alternatives of a criterion that are looked up for each candidate of another.
pub const PROBE_LEGS_MAX: usize = 4;
/// Criteria that are looked up for each candidate of another.
pub const PROBES_MAX: usize = 4;
/// Candidates counted to learn which criterion is the most selective of several that are not.
pub const COUNTED_CANDIDATES_MAX: usize = 20_000;
/// Candidates gathered to learn whether a criterion is selective.
pub const PROBE_CANDIDATES_MAX: usize = 256;
/// So few candidates are not worth looking for fewer.
pub const FEW_CANDIDATES: usize = 24;
/// Candidates of a range gathered and put in order, before the type is walked instead.
pub const GATHERED_CANDIDATES_MAX: usize = 50_000;
/// Candidates of what a chain or `_has` looks for that are looked up before the search itself, where
/// nothing else is selective. A few, [`PROBE_CANDIDATES_MAX`], are in any case.
pub const LOOKED_UP_CANDIDATES_MAX: usize = 10_000;
/// Rows walked in the hope of a full page, before that many candidates are looked up.
pub const WALKED_ROWS_MAX: usize = 2_000;
/// How deep criteria may be nested in each other.
pub const CRITERIA_DEPTH_MAX: usize = 16;
/// Resources of which a query remembers whether they meet what a chain or `_has` asks for; it
/// forgets them all when there are more.
pub const JUDGED_REMEMBERED_MAX: usize = 100_000;
/// Bytes of index rows that are put in order in memory, when an index is built.
pub const INDEX_RUN_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of a run of index rows that are read at once when runs are merged.
pub const INDEX_RUN_BUFFER_BYTES: usize = 64 * 1024;
/// How often a transaction of a load is done again that others were in the way of.
pub const LOAD_TRIES_MAX: usize = 64;
/// Index rows whose values are made ready, and that are written, together.
pub const INDEX_ROWS_RUN_TOGETHER: usize = 1_000;
/// Index rows that are added in one transaction, when an index is built.
pub const INDEX_ROWS_TOGETHER: usize = 200_000;
/// Types whose histories are merged.
pub const HISTORY_TYPES_MAX: usize = 256;
/// Characters of a cursor.
pub const CURSOR_CHARACTERS_MAX: usize = 4_096;
/// Connections for the rules of policies; as many are evaluated at once.
pub const POLICY_READERS_MAX: usize = 4;
/// Rules of policies that wait for a connection. One more is not evaluated.
pub const POLICY_QUERIES_WAITING_MAX: usize = 256;
/// How long the rule of a policy may take, with the wait for a connection.
pub const POLICY_QUERY_TIME: Duration = Duration::from_millis(250);
/// How long all rules of one request may take together.
pub const POLICY_REQUEST_TIME: Duration = Duration::from_millis(500);
/// How long a new connection for policies to PostgreSQL may take to be set up.
pub const POLICY_SETUP_TIME: Duration = Duration::from_secs(2);
/// How long a policy's query that was ended is waited for, before its connection is closed.
pub const POLICY_CANCEL_TIME: Duration = Duration::from_secs(1);
/// Virtual machine instructions of SQLite between two looks at a policy's time.
pub const POLICY_INSTRUCTIONS_BETWEEN_CHECKS: i32 = 1_000;
/// Bytes of a value that a policy's rule computes.
pub const POLICY_VALUE_BYTES_MAX: i32 = 8 * 1024 * 1024;
/// Bytes of a policy's rule in SQLite's dialect.
pub const POLICY_SQL_BYTES_MAX: i32 = 256 * 1024;
/// JSON texts that a connection for policies keeps parsed.
pub const POLICY_JSON_KEPT_MAX: usize = 8;
/// Size of the exponent of a decimal in a policy's rule.
pub const DECIMAL_EXPONENT_MAX: i64 = 1_000;
/// Servers that the URL of a PostgreSQL may name.
pub const POSTGRES_HOSTS_MAX: usize = 8;
/// How long one server of a PostgreSQL may take to let a connection in.
pub const POSTGRES_CONNECT_TIME: Duration = Duration::from_secs(3);
/// The longest that may be set for it.
pub const POSTGRES_CONNECT_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a connection to PostgreSQL is silent before it is asked whether it lives.
pub const POSTGRES_KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
/// How long between two such questions.
pub const POSTGRES_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
/// Questions without an answer after which a connection is lost.
pub const POSTGRES_KEEPALIVES_MAX: u32 = 3;
/// How long what was sent may stay unacknowledged before a connection is lost.
pub const POSTGRES_SILENCE: Duration = Duration::from_secs(10);
/// How long a statement waits for a lock.
pub const POSTGRES_LOCK_TIME: Duration = Duration::from_secs(2);
/// How long a transaction may stand still before the server ends it: others wait for its locks.
pub const POSTGRES_IDLE_IN_TRANSACTION_TIME: Duration = Duration::from_secs(5);
/// How long a change of the schema waits for a lock.
pub const POSTGRES_SCHEMA_LOCK_TIME: Duration = Duration::from_secs(30);
/// How long a node trusts the version of the policies that it read, from before it asked for it.
pub const LEASE_TIME: Duration = Duration::from_millis(900);
/// How long the change of a policy waits for nodes that do not say that they know of it: their leases
/// are over by then, though their clocks may run a tenth slower.
pub const LEASE_OVER: Duration = Duration::from_secs(1);
/// How long between two renewals of a lease.
pub const LEASE_RENEWED_EVERY: Duration = Duration::from_millis(300);
/// How long a request waits for a lease, when there is none.
pub const LEASE_WAIT: Duration = Duration::from_secs(1);
/// How long the first lease may take, when a node starts.
pub const LEASE_START_TIME: Duration = Duration::from_secs(10);
/// How long after a lost connection the next one is tried; each time twice as long.
pub const LEASE_RETRY_MIN: Duration = Duration::from_millis(50);
/// The longest of these times.
pub const LEASE_RETRY_MAX: Duration = Duration::from_millis(500);
/// How long between two looks at what other nodes know, while a change waits for them: at first, and
/// each time twice as long.
pub const NODES_LOOK_MIN: Duration = Duration::from_millis(1);
/// The longest of these times.
pub const NODES_LOOK_MAX: Duration = Duration::from_millis(20);
/// How long between two looks for nodes that are gone, while nothing waits.
pub const NODES_TIDIED_EVERY: Duration = Duration::from_secs(30);
/// Nodes of one database. Where there are more, each change of a policy waits for [`LEASE_OVER`].
pub const NODES_MAX: usize = 1_000;
/// How long the answer of PostgreSQL to a statement is waited for: longer than it lets one run.
pub const POSTGRES_ANSWER_TIME: Duration = Duration::from_secs(8);
/// How long a step of the schema may take, with the wait for another node that takes it.
pub const POSTGRES_SCHEMA_TIME: Duration = Duration::from_secs(3_600);
/// Rows that are looked up together by their keys, though the first of them may be enough.
pub const POSTGRES_LOOKS_TOGETHER: usize = 32;
/// Rows that are fetched, or looked up, together where each has a body.
pub const POSTGRES_BODIES_FETCHED_TOGETHER: i32 = 8;
/// Rows that are fetched together where more may follow.
pub const POSTGRES_ROWS_FETCHED_TOGETHER: i32 = 128;
/// For how long a job is its runner's after each renewal.
pub const JOB_LEASE: Duration = Duration::from_secs(60);
/// How often a job is begun that does not get on, before it is given up.
pub const JOB_ATTEMPTS_MAX: u64 = 8;
/// How long a job rests after the first attempt that failed; twice as long after each further one.
pub const JOB_PAUSE: Duration = Duration::from_secs(1);
/// How long it rests at most.
pub const JOB_PAUSE_MAX: Duration = Duration::from_secs(300);
/// How long a job is kept after its end.
pub const JOB_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Jobs that are kept after their end.
pub const JOBS_ENDED_MAX: usize = 1_000;
/// Jobs that are listed.
pub const JOBS_LISTED_MAX: usize = 200;
/// Characters of why a job failed.
pub const JOB_ERROR_CHARACTERS_MAX: usize = 1_000;
/// Bytes of the file that tells of a backup.
pub const MANIFEST_BYTES_MAX: u64 = 64 * 1024;
/// Resources of a type that are listed after a restore.
pub const RIGHTS_LISTED_MAX: usize = 1_000;
/// Versions whose values are selected anew at a time.
pub const REINDEXED_TOGETHER_MAX: usize = 200;
/// Bytes of bodies after which so few are enough.
pub const REINDEXED_BYTES_MAX: usize = 4 * 1024 * 1024;
