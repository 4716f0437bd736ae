//! Fetches the text of a key set, from where its provider says that it is (OpenID Connect
//! Discovery 1.0 section 4).

use firewarden_fhir::json;
use serde_json::Value;
use url::Url;

use crate::introspector::KeySetPlace;
use crate::outbound::UrlFault;
use crate::remote::{FetchFault, Remote};

/// Why there is no text of a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeysNotHad {
    #[error("{0}")]
    Fetch(#[from] FetchFault),
    #[error("the configuration of the provider was not had: {0}")]
    ConfigurationFetch(FetchFault),
    #[error("the configuration of the provider is not a JSON object with `issuer` and `jwks_uri`")]
    NotAConfiguration,
    #[error("the configuration is that of another issuer")]
    OtherIssuer,
    #[error("the `jwks_uri` of the configuration {0}")]
    KeySetUrl(UrlFault),
}

/// Fetches the text of a key set.
pub(super) async fn fetch_text(
    remote: &Remote,
    place: &KeySetPlace,
) -> Result<Vec<u8>, KeysNotHad> {
    let discovered;
    let url = match place {
        KeySetPlace::At(url) => url,
        KeySetPlace::Discovered { issuer, at } => {
            let text = remote.get(at).await.map_err(KeysNotHad::ConfigurationFetch)?;
            discovered = key_set_url(&text, issuer, remote)?;
            &discovered
        }
    };
    Ok(remote.get(url).await?)
}

/// The URL of the key set that a configuration names. It counts only if it is the issuer's, byte
/// for byte: otherwise one provider's keys would vouch for another's tokens.
fn key_set_url(text: &[u8], issuer: &str, remote: &Remote) -> Result<Url, KeysNotHad> {
    let configuration = json::parse(text).map_err(|_| KeysNotHad::NotAConfiguration)?;
    let member = |name: &str| {
        configuration.get(name).and_then(Value::as_str).ok_or(KeysNotHad::NotAConfiguration)
    };
    if member("issuer")? != issuer {
        return Err(KeysNotHad::OtherIssuer);
    }
    remote.url(member("jwks_uri")?).map_err(KeysNotHad::KeySetUrl)
}
