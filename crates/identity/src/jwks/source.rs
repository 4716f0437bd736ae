//! The keys of one issuer: one fetch at a time, in tasks of their own, so that no client's leaving
//! ends one.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest;
use firewarden_fhir::Id;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::{info, warn};

use super::discovery::{KeysNotHad, fetch_text};
use super::key_set::KeySet;
use crate::bucket::Bucket;
use crate::introspector::KeySetPlace;
use crate::keys::{KeyFault, Signed, VerificationKey};
use crate::remote::{FetchFault, Remote};
use crate::unauthenticated::Unauthenticated;
use crate::verified::Epoch;
use crate::{Algorithm, limits};

/// Where the keys of one issuer come from, and those that came last.
pub(crate) struct KeySource {
    origin: Origin,
    remote: Arc<Remote>,
    runtime: Handle,
    epoch: Epoch,
    loaded: ArcSwapOption<Loaded>,
    progress: watch::Sender<Progress>,
    keeping_fresh: OnceLock<AbortHandle>,
}

/// What an introspector says of its key set.
pub(crate) struct Origin {
    pub(crate) introspector: Id,
    pub(crate) place: KeySetPlace,
    pub(crate) kept_for: Duration,
    pub(crate) algorithms: Vec<Algorithm>,
}

struct Loaded {
    keys: Vec<VerificationKey>,
    hash: Vec<u8>,
    at: Instant,
}

/// The key set of one issuer at one moment, for metrics and health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySetState {
    /// The introspector that trusts it.
    pub introspector: Id,
    /// How many seconds ago the keys in use were fetched; `None` if there never were any.
    pub age_s: Option<u64>,
    /// Fetches that gave keys.
    pub refreshes: u64,
    /// Fetches that gave none.
    pub failures: u64,
    /// Keys in use.
    pub keys: usize,
    /// Tokens with an unknown key for which no further fetch was allowed.
    pub refetches_refused: u64,
}

/// Fetches are numbered from 1 as they begin; the one in flight, if any, is `started`.
struct Progress {
    started: u64,
    finished: u64,
    failed_at: Option<Instant>,
    bucket: Bucket,
    failures: u64,
    refetches_refused: u64,
}

impl Progress {
    fn is_fetching(&self) -> bool {
        self.started > self.finished
    }
}

impl KeySource {
    /// Begins to fetch the keys, and to keep them fresh until the source is dropped.
    pub(crate) fn start(
        origin: Origin,
        remote: Arc<Remote>,
        epoch: Epoch,
        runtime: Handle,
    ) -> Arc<Self> {
        let bucket = Bucket::full((limits::REFETCHES_MAX, limits::REFETCH_REFILL), Instant::now());
        let progress = Progress {
            started: 0,
            finished: 0,
            failed_at: None,
            bucket,
            failures: 0,
            refetches_refused: 0,
        };
        let source = Arc::new(Self {
            origin,
            remote,
            runtime,
            epoch,
            loaded: ArcSwapOption::empty(),
            progress: watch::Sender::new(progress),
            keeping_fresh: OnceLock::new(),
        });
        let task = source.runtime.spawn(keep_fresh(Arc::downgrade(&source)));
        let _ = source.keeping_fresh.set(task.abort_handle());
        source
    }

    /// Where the set is.
    pub(crate) fn place(&self) -> &KeySetPlace {
        &self.origin.place
    }

    /// How the set is now.
    pub(crate) fn state(&self) -> KeySetState {
        let loaded = self.usable();
        let progress = self.progress.borrow();
        KeySetState {
            introspector: self.origin.introspector.clone(),
            age_s: loaded.as_ref().map(|loaded| loaded.at.elapsed().as_secs()),
            refreshes: progress.finished.saturating_sub(progress.failures),
            failures: progress.failures,
            keys: loaded.map_or(0, |loaded| loaded.keys.len()),
            refetches_refused: progress.refetches_refused,
        }
    }

    /// The keys there are, each by its `kid` and what it may verify: for explanations.
    pub(crate) fn described(&self) -> Vec<String> {
        let loaded = self.usable();
        let keys = loaded.iter().flat_map(|loaded| &loaded.keys);
        keys.map(VerificationKey::described).collect()
    }

    /// Verifies a signature, with newer keys if the present ones do not know its key. Says until
    /// when the keys it was verified with are fresh.
    pub(crate) async fn verify(
        self: &Arc<Self>,
        signed: &Signed<'_>,
    ) -> Result<Instant, Unauthenticated> {
        let arrived = self.progress.borrow().started;
        let loaded = match self.usable() {
            Some(loaded) => loaded,
            None => self.first_load().await?,
        };
        match signed.verify_with(&loaded.keys) {
            Ok(()) => Ok(self.next_refresh()),
            Err(KeyFault::Refused(check)) => Err(Unauthenticated::TokenRefused(check)),
            Err(fault @ (KeyFault::NoSuchKey | KeyFault::NoneFits)) => {
                self.verify_with_newer(signed, fault, arrived).await
            }
        }
    }

    /// Waits for keys fetched after the token came. A fetch that was under way when it came may
    /// have missed its key, so that one more follows.
    async fn verify_with_newer(
        self: &Arc<Self>,
        signed: &Signed<'_>,
        mut fault: KeyFault,
        arrived: u64,
    ) -> Result<Instant, Unauthenticated> {
        const FETCHES_MAX: usize = 2;
        for _ in 0..FETCHES_MAX {
            let Some(fetch) = self.fetch_for_unknown_key(arrived) else {
                break;
            };
            self.finished(fetch).await?;
            let loaded = self.usable().ok_or(UNAVAILABLE)?;
            match signed.verify_with(&loaded.keys) {
                Ok(()) => return Ok(self.next_refresh()),
                Err(newer) => fault = newer,
            }
            if fetch > arrived {
                break;
            }
        }
        Err(Unauthenticated::TokenRefused(fault.check()))
    }

    /// The fetch to wait for, begun now if need be and if there may be one.
    fn fetch_for_unknown_key(self: &Arc<Self>, arrived: u64) -> Option<u64> {
        self.fetch_unless(|progress| {
            if progress.finished > arrived {
                return Some(progress.finished);
            }
            if progress.bucket.take(Instant::now()) {
                return None;
            }
            progress.refetches_refused += 1;
            Some(0)
        })
        .filter(|fetch| *fetch > 0)
    }

    /// Joins the fetch in flight; otherwise begins one, unless `instead` says which to wait for.
    fn fetch_unless(
        self: &Arc<Self>,
        instead: impl FnOnce(&mut Progress) -> Option<u64>,
    ) -> Option<u64> {
        let mut fetch = None;
        let mut begins = false;
        self.progress.send_if_modified(|progress| {
            fetch = if progress.is_fetching() {
                Some(progress.started)
            } else if let Some(other) = instead(progress) {
                Some(other)
            } else {
                progress.started += 1;
                begins = true;
                Some(progress.started)
            };
            false
        });
        if begins {
            let running = Running { source: Arc::clone(self), fetched: None };
            self.runtime.spawn(running.run());
        }
        fetch
    }

    async fn first_load(self: &Arc<Self>) -> Result<Arc<Loaded>, Unauthenticated> {
        let now = Instant::now();
        let fetch = self
            .fetch_unless(|progress| {
                let paused =
                    progress.failed_at.is_some_and(|at| now < at + limits::FIRST_LOAD_PAUSE);
                // They may have come since it was looked for them.
                (paused || self.usable().is_some()).then_some(0)
            })
            .filter(|fetch| *fetch > 0);
        if let Some(fetch) = fetch {
            self.finished(fetch).await?;
        }
        self.usable().ok_or(UNAVAILABLE)
    }

    /// Waits for a fetch; it is an error if the last one failed.
    async fn finished(&self, fetch: u64) -> Result<(), Unauthenticated> {
        let mut progress = self.progress.subscribe();
        let progress = progress.wait_for(|progress| progress.finished >= fetch).await;
        match progress.map(|progress| progress.failed_at) {
            Ok(None) => Ok(()),
            Ok(Some(_)) | Err(_) => Err(UNAVAILABLE),
        }
    }

    /// The keys, if they are not too old to be believed.
    fn usable(&self) -> Option<Arc<Loaded>> {
        let loaded = self.loaded.load_full()?;
        (Instant::now() < loaded.at + limits::KEY_SET_AGE_MAX).then_some(loaded)
    }

    fn next_refresh(&self) -> Instant {
        self.due_at(&self.progress.borrow()).unwrap_or_else(Instant::now)
    }

    /// When the keys are to be fetched anew; `None` if they never were.
    fn due_at(&self, progress: &Progress) -> Option<Instant> {
        if let Some(failed_at) = progress.failed_at {
            return Some(failed_at + limits::REFRESH_PAUSE);
        }
        let loaded = self.loaded.load();
        loaded.as_ref().map(|loaded| loaded.at + self.origin.kept_for)
    }

    /// The fetch in flight, or one that begins if the keys are due: a token with an unknown key may
    /// have had them fetched meanwhile.
    fn fetch_if_due(self: &Arc<Self>) -> Option<u64> {
        self.fetch_unless(|progress| {
            let is_early = self.due_at(progress).is_some_and(|at| Instant::now() < at);
            is_early.then_some(0)
        })
        .filter(|fetch| *fetch > 0)
    }

    async fn fetch(&self) -> Result<Loaded, String> {
        let at = Instant::now();
        let fetching = fetch_text(&self.remote, &self.origin.place);
        let fetched = tokio::time::timeout(limits::FETCH_TIME_MAX, fetching).await;
        let text = fetched.unwrap_or(Err(KeysNotHad::Fetch(FetchFault::TooSlow)));
        let text = text.map_err(|fault| fault.to_string())?;
        let set =
            KeySet::parse(&text, &self.origin.algorithms).map_err(|fault| fault.to_string())?;
        if set.dropped > 0 {
            warn!(introspector = %self.origin.introspector, dropped = set.dropped, "keys dropped");
        }
        let hash = digest::digest(&digest::SHA256, &text).as_ref().to_vec();
        Ok(Loaded { keys: set.keys, hash, at })
    }

    fn keep(&self, fetched: Result<Loaded, String>) {
        let failed_at = match fetched {
            Ok(loaded) => {
                let before = self.loaded.load();
                let same = before.as_ref().is_some_and(|before| before.hash == loaded.hash);
                self.loaded.store(Some(Arc::new(loaded)));
                if !same {
                    info!(introspector = %self.origin.introspector, "keys loaded");
                    self.epoch.end();
                }
                None
            }
            Err(fault) => {
                warn!(introspector = %self.origin.introspector, fault, "keys not loaded");
                Some(Instant::now())
            }
        };
        self.progress.send_modify(|progress| {
            progress.finished = progress.started;
            progress.failed_at = failed_at;
            progress.failures += u64::from(failed_at.is_some());
        });
    }
}

impl Drop for KeySource {
    fn drop(&mut self) {
        if let Some(task) = self.keeping_fresh.get() {
            task.abort();
        }
    }
}

const UNAVAILABLE: Unauthenticated = Unauthenticated::KeysUnavailable { retry_after_s: 2 };

/// A fetch in flight. However it ends, those who wait for it learn of it.
struct Running {
    source: Arc<KeySource>,
    fetched: Option<Result<Loaded, String>>,
}

impl Running {
    async fn run(mut self) {
        self.fetched = Some(self.source.fetch().await);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let fetched = self.fetched.take().unwrap_or_else(|| Err("the fetch was cut short".into()));
        self.source.keep(fetched);
    }
}

/// Fetches the keys at once, then whenever they are no longer fresh.
async fn keep_fresh(source: Weak<KeySource>) {
    loop {
        let Some(at) = source.upgrade().map(|source| source.next_refresh()) else {
            return;
        };
        tokio::time::sleep_until(at).await;
        let Some(source) = source.upgrade() else {
            return;
        };
        if let Some(fetch) = source.fetch_if_due() {
            // Its failure is kept with the source, and the next attempt comes after a pause.
            let _ = source.finished(fetch).await;
        }
    }
}
