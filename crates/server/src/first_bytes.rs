//! A deadline for the first bytes of a connection, by which the version of HTTP is told.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What a client that speaks HTTP/2 begins with (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream whose reads fail after a while for as long as it is not told which version it speaks.
/// hyper waits for that without end, and only then begins to count time.
pub(crate) struct FirstBytes<S> {
    stream: S,
    /// How much of the preface was read.
    read: usize,
    /// Gone when the version is told.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> FirstBytes<S> {
    /// The stream, which is to tell its version within this time.
    pub(crate) fn within(stream: S, time: Duration) -> Self {
        Self { stream, read: 0, deadline: Some(Box::pin(sleep(time))) }
    }

    fn look_at(&mut self, bytes: &[u8]) {
        let rest = HTTP2_PREFACE.get(self.read..).unwrap_or_default();
        self.read += bytes.len();
        if !(bytes.len() < rest.len() && rest.starts_with(bytes)) {
            self.deadline = None;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytes<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Some(deadline) = &mut self.deadline else {
            return read;
        };
        match read {
            Poll::Pending => {
                deadline.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Ready(read) => {
                self.look_at(buffer.filled().get(before..).unwrap_or_default());
                Poll::Ready(read)
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytes<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// Whether the deadline still counts after these bytes, each read alone.
    async fn counts_after(bytes: &[u8]) -> bool {
        let (mut client, server) = duplex(64);
        let mut server = FirstBytes::within(server, Duration::from_secs(3_600));
        for byte in bytes {
            client.write_all(&[*byte]).await.unwrap();
            server.read_exact(&mut [0]).await.unwrap();
        }
        server.deadline.is_some()
    }

    #[tokio::test]
    async fn it_counts_until_the_version_is_told() {
        for (bytes, counts) in [
            (&b""[..], true),
            (b"PRI * HT", true),
            (&HTTP2_PREFACE[..23], true),
            (HTTP2_PREFACE, false),
            (b"G", false),
            (b"PRI * HTTP/1", false),
        ] {
            assert_eq!(counts_after(bytes).await, counts, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn a_silent_client_is_left() {
        let (mut client, server) = duplex(64);
        let mut server = FirstBytes::within(server, Duration::ZERO);
        client.write_all(b"PRI").await.unwrap();
        let mut read = Vec::new();
        let end = server.read_to_end(&mut read).await;
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(read, b"PRI");
    }
}
