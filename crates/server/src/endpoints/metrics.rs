//! `GET /metrics`: what was counted, and what is going on.

use firewarden_identity::KeySetState;

use crate::meters::Exposition;
use crate::pipeline::Moment;

/// What was counted since the start, and the state of this moment.
pub(crate) async fn metrics(moment: &Moment<'_>) -> String {
    let (app, snapshot) = (moment.app, &moment.snapshot);
    let mut text = Exposition::default();
    text.gauge("firewarden_build_info", "The program's version.");
    text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    app.meters.expose(&mut text);
    text.gauge("firewarden_policy_version", "Grows with every change of configuration.");
    text.sample(&[], snapshot.policies.version());
    text.gauge("firewarden_policies_broken", "Policies that cannot be read and grant nothing.");
    text.sample(&[], snapshot.policies.broken().len());
    text.gauge("firewarden_introspectors", "Introspectors that can be read.");
    let broken = snapshot.broken_introspectors.len();
    text.sample(&[], snapshot.introspectors.len().saturating_sub(broken));
    text.gauge("firewarden_introspectors_broken", "Introspectors that vouch for nobody.");
    text.sample(&[], broken);
    key_sets(&app.identity.key_sets(), &mut text);
    text.gauge("firewarden_store_writes_waiting", "Requests that wait for the writer.");
    text.sample(&[], app.store.writes_waiting());
    // Without a database there is none to count, and the other figures tell so.
    let jobs = app.store.job_counts().await.unwrap_or_default();
    text.gauge("firewarden_jobs", "Jobs that are kept, by kind and state.");
    for (kind, state, count) in jobs {
        text.sample(&[("kind", &kind), ("state", state.name())], count);
    }
    if let Some(bytes) = resident_bytes() {
        text.gauge("process_resident_memory_bytes", "Memory of the process.");
        text.sample(&[], bytes);
    }
    text.finish()
}

/// One figure of a key set, where it has one.
type KeySetFigure = fn(&KeySetState) -> Option<u64>;

/// The key sets of introspectors. Their ids are the operator's own words for the providers.
fn key_sets(sets: &[KeySetState], text: &mut Exposition) {
    let families: [(&'static str, &str, KeySetFigure); 5] = [
        ("firewarden_key_set_age_seconds", "Since the keys in use were fetched.", |set| set.age_s),
        ("firewarden_key_set_keys", "Keys in use.", |set| u64::try_from(set.keys).ok()),
        ("firewarden_key_set_refreshes", "Fetches that gave keys, since a change.", |set| {
            Some(set.refreshes)
        }),
        ("firewarden_key_set_failures", "Fetches that gave none, since a change.", |set| {
            Some(set.failures)
        }),
        ("firewarden_key_set_refetches_refused", "Unknown keys not fetched for.", |set| {
            Some(set.refetches_refused)
        }),
    ];
    for (name, help, value) in families {
        text.gauge(name, help);
        for set in sets {
            if let Some(value) = value(set) {
                text.sample(&[("introspector", set.introspector.as_str())], value);
            }
        }
    }
}

/// Memory of this process, where the system says so.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}
