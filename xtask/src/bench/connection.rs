//! One kept-alive HTTP/1.1 connection, lean enough to leave the machine to the server.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A connection with the last answer.
pub(super) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    body_at: usize,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(16 << 10), body_at: 0 })
    }

    /// Sends the request's bytes and reads the whole answer; its status.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        self.answer.clear();
        self.stream.write_all(request).await?;
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let Some(head) = Head::of(&self.answer)? else { continue };
            let length = head.bytes + head.content_length;
            if self.answer.len() > length || length > ANSWER_BYTES_MAX {
                return Err(invalid("an answer of another length than it says"));
            }
            if self.answer.len() == length {
                self.body_at = head.bytes;
                return Ok(head.status);
            }
        }
    }

    /// The body of the last answer.
    pub(super) fn body(&self) -> &[u8] {
        self.answer.get(self.body_at..).unwrap_or_default()
    }
}

/// Builds a request; an empty credential or body is left out.
pub(super) fn request(method: &str, path: &str, authorization: &str, body: &str) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    if !authorization.is_empty() {
        head.push_str(&format!("authorization: {authorization}\r\n"));
    }
    if !body.is_empty() {
        head.push_str("content-type: application/fhir+json\r\n");
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    head.push_str(body);
    head.into_bytes()
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Up to and with the empty line.
    bytes: usize,
    content_length: usize,
}

impl Head {
    /// The head of an answer; `None` while it is not whole.
    fn of(answer: &[u8]) -> io::Result<Option<Self>> {
        const END: &[u8] = b"\r\n\r\n";
        let Some(end) = answer.windows(END.len()).position(|window| window == END) else {
            return Ok(None);
        };
        let head = answer.get(..end).unwrap_or_default();
        let head = std::str::from_utf8(head).map_err(|_| invalid("a head that is not UTF-8"))?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| invalid("an answer without a status"))?;
        let content_length = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, length)| length.trim().parse().ok());
        match content_length {
            Some(content_length) => {
                Ok(Some(Self { status, bytes: end + END.len(), content_length }))
            }
            None if status == 204 => {
                Ok(Some(Self { status, bytes: end + END.len(), content_length: 0 }))
            }
            None => Err(invalid("an answer without a length")),
        }
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let text = b"HTTP/1.1 201 Created\r\nETag: W/\"1\"\r\nContent-Length: 12\r\n\r\n{}";
        let head = Head { status: 201, bytes: text.len() - 2, content_length: 12 };
        assert_eq!(Head::of(text).unwrap(), Some(head));
        assert_eq!(Head::of(&text[..40]).unwrap(), None);
        assert!(Head::of(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert_eq!(Head::of(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().bytes, 27);
    }
}
