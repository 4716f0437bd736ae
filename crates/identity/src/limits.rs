//! How much input this crate accepts and keeps; each limit has a test where it is applied.

use std::time::Duration;

/// Bytes of a token; a longer one is refused before anything else.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a `kid`.
pub const KEY_ID_BYTES_MAX: usize = 256;
/// Seconds by which a clock may be off, at most.
pub const LEEWAY_S_MAX: u64 = 120;
/// Seconds of `jwt.max_age`, at most: ten years.
pub const TOKEN_AGE_S_MAX: u64 = 315_360_000;
/// Entries of `jwt.aud`, `jwt.algorithms` and `jwt.required_claims`.
pub const LIST_ENTRIES_MAX: usize = 32;
/// Bytes under which a shared secret is accepted with a warning only.
pub const SECRET_BYTES_ADVISED: usize = 32;
/// Bytes of a shared secret, a client's secret or a password.
pub const SECRET_BYTES_MAX: usize = 4_096;
/// Keys of `jwt.keys`.
pub const STATIC_KEYS_MAX: usize = 16;
/// Bytes of a public key in PEM form or as the text of a JSON Web Key.
pub const PUBLIC_KEY_BYTES_MAX: usize = 16 * 1024;

/// Seconds a key set is kept when the introspector does not say.
pub const CACHE_TTL_S_DEFAULT: u64 = 300;
/// Seconds a key set may be kept.
pub const CACHE_TTL_S_MAX: u64 = 86_400;
/// Bytes of a key set.
pub const KEY_SET_BYTES_MAX: usize = 256 * 1024;
/// Keys read of a key set; the rest is dropped.
pub const KEY_SET_KEYS_MAX: usize = 64;
/// Keys tried for a token that names none.
pub const KEYS_TRIED_MAX: usize = 4;
/// Bits of an RSA modulus, at least.
pub const RSA_BITS_MIN: usize = 2_048;
/// Bits of an RSA modulus, at most: a verification's cost grows with them.
pub const RSA_BITS_MAX: usize = 8_192;
/// Bytes of an RSA public exponent.
pub const RSA_EXPONENT_BYTES_MAX: usize = 4;

/// How long fetching a key set may take in all.
pub const FETCH_TIME_MAX: Duration = Duration::from_secs(3);
/// Addresses of a host that are looked at.
pub const ADDRESSES_MAX: usize = 16;
/// Servers whose client is kept, each for the addresses it was checked with.
pub const OUTBOUND_CLIENTS_MAX: u64 = 64;
/// How long a client is kept: the machine's certificates are read anew after that.
pub const OUTBOUND_CLIENT_AGE_MAX: Duration = Duration::from_secs(300);
/// How old a key set may grow while its provider is down.
pub const KEY_SET_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a failed refresh waits for the next.
pub const REFRESH_PAUSE: Duration = Duration::from_secs(10);
/// How long a failed first load waits for the next; until then its tokens are answered at once.
pub const FIRST_LOAD_PAUSE: Duration = Duration::from_secs(1);
/// Fetches for unknown keys that may follow one another.
pub const REFETCHES_MAX: u32 = 3;
/// How long it takes until one more such fetch is allowed.
pub const REFETCH_REFILL: Duration = Duration::from_secs(10);

/// Bytes of an introspection endpoint's answer.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Seconds above which a save warns of how long an answer is believed.
pub const ANSWER_AGE_S_ADVISED: u64 = 60;
/// How long it is believed that a token is not active.
pub const INACTIVE_AGE_MAX: Duration = Duration::from_secs(10);
/// Tokens of one introspector that are remembered as not active.
pub const INACTIVE_REMEMBERED_MAX: u64 = 10_000;
/// Tokens of one introspector that are remembered as active.
pub const ACTIVE_REMEMBERED_MAX: u64 = 10_000;
/// Bytes of the answers of one introspector that are remembered.
pub const ACTIVE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Tokens that one endpoint is asked about at once.
pub const INTROSPECTIONS_AT_ONCE_MAX: usize = 32;
/// Tokens of one introspector that are being asked about or wait for it; one more is turned away.
pub const INTROSPECTIONS_WAITING_MAX: usize = 1_024;
/// Failures of an endpoint, one after the other, until it is left alone.
pub const ENDPOINT_FAILURES_MAX: u32 = 5;
/// How long it is left alone.
pub const ENDPOINT_PAUSE: Duration = Duration::from_secs(10);

/// Bytes of verified tokens that are remembered.
pub const VERIFIED_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Parts of what is remembered, each with a lock of its own.
pub const VERIFIED_PARTS: usize = 16;
/// How long a verified token is remembered.
pub const VERIFIED_AGE_MAX: Duration = Duration::from_secs(60);
/// Bytes of the user, the roles and the client that are remembered with a token, as JSON; more are
/// looked up each time.
pub const CALLER_BYTES_REMEMBERED_MAX: usize = 4 * 1024;
/// Headers of accepted tokens that are remembered.
pub const HEADERS_REMEMBERED_MAX: usize = 64;
/// Bytes of such a header as it was sent; a longer one is read anew each time.
pub const HEADER_BYTES_REMEMBERED_MAX: usize = 1_024;
/// Verified client secrets that are remembered.
pub const CLIENTS_REMEMBERED_MAX: u64 = 10_000;

/// Password hashes computed at once; each takes 19 MiB.
pub const HASHES_AT_ONCE_MAX: usize = 2;
/// Requests that wait for a password hash; one more is turned away.
pub const HASHES_WAITING_MAX: usize = 64;
/// How long a request waits for its turn to hash.
pub const HASH_WAIT_MAX: Duration = Duration::from_secs(2);

/// Users that may be made at once for the tokens of one introspector.
pub const CREATIONS_MAX: u32 = 50;
/// How long it takes until one more may be made.
pub const CREATION_REFILL: Duration = Duration::from_millis(100);
/// Requests that wait until a user is made; one more is turned away.
pub const CREATIONS_WAITING_MAX: usize = 1_024;
/// How long a request waits for its turn to make a user.
pub const CREATION_WAIT_MAX: Duration = Duration::from_secs(2);
/// Users remembered as not to be made again.
pub const GONE_REMEMBERED_MAX: u64 = 10_000;
/// How long that is remembered.
pub const GONE_AGE_MAX: Duration = Duration::from_secs(60);
/// Users that one step of the lookup may find; as many or more are ambiguous.
pub const USERS_PER_STEP_MAX: usize = 16;

/// Characters of a claim that an explanation shows.
pub const SHOWN_CHARS_MAX: usize = 200;
