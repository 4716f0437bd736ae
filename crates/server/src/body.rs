//! A request's body: collected within its limit, its encoding undone within the same.

use std::io::Read;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::limits;

/// Why a body could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotCollected {
    /// It is larger than allowed, as it came or decompressed.
    TooLarge,
    /// It ended early, or its chunks do not follow one another as they should.
    Broken,
    /// It is not in the encoding it says, or in one that is not undone.
    Unreadable,
}

/// The body's bytes, at most `limit` of them, whatever they were compressed to.
pub(crate) async fn collect<B>(
    body: B,
    headers: &HeaderMap,
    limit: usize,
) -> Result<Bytes, NotCollected>
where
    B: http_body::Body<Error: std::error::Error + Send + Sync + 'static>,
{
    let collected = Limited::new(body, limit).collect().await.map_err(|error| {
        let too_large = error.is::<LengthLimitError>();
        if too_large { NotCollected::TooLarge } else { NotCollected::Broken }
    })?;
    let bytes = collected.to_bytes();
    match encoding(headers) {
        Encoding::None => Ok(bytes),
        Encoding::Unknown => Err(NotCollected::Unreadable),
        Encoding::Gzip if bytes.len() <= limits::DECOMPRESSED_INLINE_BYTES_MAX => {
            gunzip(&bytes, limit)
        }
        Encoding::Gzip => {
            let decompressing = tokio::task::spawn_blocking(move || gunzip(&bytes, limit));
            decompressing.await.unwrap_or(Err(NotCollected::Unreadable))
        }
    }
}

enum Encoding {
    None,
    Gzip,
    Unknown,
}

/// How the body is encoded. One encoding is undone, not several on top of each other.
fn encoding(headers: &HeaderMap) -> Encoding {
    let mut named = headers.get_all(CONTENT_ENCODING).iter();
    match (named.next(), named.next()) {
        (None, _) => Encoding::None,
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"identity") => Encoding::None,
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"gzip") => Encoding::Gzip,
        (Some(_), _) => Encoding::Unknown,
    }
}

fn gunzip(bytes: &[u8], limit: usize) -> Result<Bytes, NotCollected> {
    let mut plain = Vec::new();
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut decoder = MultiGzDecoder::new(bytes).take(one_more);
    decoder.read_to_end(&mut plain).map_err(|_| NotCollected::Unreadable)?;
    if plain.len() > limit { Err(NotCollected::TooLarge) } else { Ok(plain.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use http::HeaderValue;
    use http_body_util::Full;

    use super::*;

    fn gzipped(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    async fn collected(
        encoding: Option<&'static str>,
        body: Vec<u8>,
    ) -> Result<Bytes, NotCollected> {
        let mut headers = HeaderMap::new();
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        collect(Full::new(Bytes::from(body)), &headers, 1_000_000).await
    }

    #[tokio::test]
    async fn the_limit_is_of_the_decompressed_bytes() {
        let plain = vec![b'x'; 1_000_000];
        assert_eq!(collected(None, plain.clone()).await.unwrap().len(), 1_000_000);
        assert_eq!(collected(Some("gzip"), gzipped(&plain)).await.unwrap().len(), 1_000_000);
        let more = vec![b'x'; 1_000_001];
        assert_eq!(collected(None, more.clone()).await, Err(NotCollected::TooLarge));
        assert_eq!(collected(Some("gzip"), gzipped(&more)).await, Err(NotCollected::TooLarge));
        let bomb = gzipped(&vec![0; 200_000_000]);
        assert!(bomb.len() < 1_000_000);
        assert_eq!(collected(Some("gzip"), bomb).await, Err(NotCollected::TooLarge));
    }

    #[tokio::test]
    async fn one_known_encoding_is_undone() {
        let twice = gzipped(&gzipped(b"{}"));
        assert_eq!(collected(Some("identity"), b"{}".to_vec()).await.unwrap(), "{}");
        assert_eq!(collected(Some("GZIP"), gzipped(b"{}")).await.unwrap(), "{}");
        for (encoding, body) in [
            ("gzip, gzip", twice),
            ("br", b"{}".to_vec()),
            ("gzip", b"{}".to_vec()),
            ("gzip", gzipped(b"{}").into_iter().take(12).collect()),
        ] {
            assert_eq!(collected(Some(encoding), body).await, Err(NotCollected::Unreadable));
        }
    }
}
