//! Credentials in, callers out: the whole crate through its face, against a fake provider.

#[cfg(test)]
mod client_claim;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod corpora;
#[cfg(test)]
mod creation;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod explaining;
#[cfg(test)]
mod forgeries;
#[cfg(test)]
mod identity_providers;
#[cfg(test)]
mod key_sets;
#[cfg(test)]
mod minting;
#[cfg(test)]
mod opaque;
#[cfg(test)]
mod saving;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod static_keys;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod users;
#[cfg(test)]
mod world;
