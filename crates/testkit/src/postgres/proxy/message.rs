//! Messages of PostgreSQL's protocol 3, as far as their borders go.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// More than any test sends or asks for at once.
const MESSAGE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The length stands in the message itself.
const LENGTH_BYTES: usize = 4;

/// A message as it came: a letter for its kind, its length, its body.
pub(super) struct Message {
    pub(super) kind: u8,
    bytes: Vec<u8>,
}

impl Message {
    pub(super) fn body(&self) -> &[u8] {
        self.bytes.get(1 + LENGTH_BYTES..).unwrap_or_default()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// The next message; `None` at the end, or where there is none to be seen.
pub(super) async fn next(from: &mut (impl AsyncRead + Unpin)) -> Option<Message> {
    let kind = from.read_u8().await.ok()?;
    let bytes = read_rest(from, vec![kind]).await?;
    Some(Message { kind, bytes })
}

/// The first message of a client, which has no letter.
pub(super) async fn next_opening(from: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    read_rest(from, Vec::new()).await
}

async fn read_rest(from: &mut (impl AsyncRead + Unpin), mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let length = from.read_u32().await.ok()?;
    let body = usize::try_from(length).ok()?.checked_sub(LENGTH_BYTES)?;
    if body > MESSAGE_BYTES_MAX {
        return None;
    }
    bytes.extend(length.to_be_bytes());
    let body_at = bytes.len();
    bytes.resize(body_at + body, 0);
    from.read_exact(bytes.get_mut(body_at..)?).await.ok()?;
    Some(bytes)
}
