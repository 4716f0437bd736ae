//! One connection through the proxy: bytes each way, and what is done at a commit.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt as _, BufReader, BufWriter};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::frontend::Frontend;
use super::message::{self, Message};
use super::{CommitFault, Shared};

/// Messages on their way in one direction; then the reader waits for the writer.
const MESSAGES_MAX: usize = 1_024;
/// The codes of openings that ask for encryption: of TLS and of GSSAPI.
const ENCRYPTION_CODES: [[u8; 4]; 2] = [80_877_103_u32.to_be_bytes(), 80_877_104_u32.to_be_bytes()];

/// The server's messages that end what a client asked: a statement is complete, or has failed, and
/// the server is ready for the next.
const COMPLETE: u8 = b'C';
const ERROR: u8 = b'E';
const READY: u8 = b'Z';

/// Bytes, and when they arrive.
type Sent = (Instant, Vec<u8>);

/// Which answers the client is not to have any more, from its commit on.
type Withheld = Mutex<Option<CommitFault>>;

/// Forwards until one side is done, or until the client's commit ends it.
pub(super) async fn relay(client: TcpStream, shared: Arc<Shared>) {
    shared.until_open().await;
    let address = shared.plan().server;
    let Ok(server) = TcpStream::connect(address).await else { return };
    let without_delay = [&client, &server].map(|stream| stream.set_nodelay(true));
    if without_delay.iter().any(Result::is_err) {
        return;
    }
    let (from_client, mut to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut from_client = BufReader::new(from_client);
    let Some(opening) = opening(&mut from_client, &mut to_client).await else { return };

    let withheld = Withheld::default();
    let (up, to_arrive_up) = mpsc::channel(MESSAGES_MAX);
    let (down, to_arrive_down) = mpsc::channel(MESSAGES_MAX);
    if up.send((arrival(&shared), opening)).await.is_err() {
        return;
    }
    let upwards = async {
        tokio::join!(
            read_client(&mut from_client, up, &shared, &withheld),
            write(to_server, to_arrive_up, &shared)
        );
    };
    let downwards = async {
        tokio::join!(
            read_server(BufReader::new(from_server), down, &shared, &withheld),
            write(to_client, to_arrive_down, &shared)
        );
    };
    tokio::select! {
        () = upwards => {}
        () = downwards => {}
    }
}

/// The opening with which the client really begins; before, it may ask for encryption.
async fn opening(
    from_client: &mut (impl AsyncBufRead + Unpin),
    to_client: &mut (impl AsyncWrite + Unpin),
) -> Option<Vec<u8>> {
    loop {
        let opening = message::next_opening(from_client).await?;
        if !ENCRYPTION_CODES.iter().any(|code| opening.ends_with(code) && opening.len() == 8) {
            return Some(opening);
        }
        to_client.write_all(b"N").await.ok()?;
    }
}

async fn read_client(
    from: &mut (impl AsyncBufRead + Unpin),
    to: mpsc::Sender<Sent>,
    shared: &Shared,
    withheld: &Withheld,
) {
    let mut frontend = Frontend::default();
    while let Some(message) = message::next(from).await {
        if frontend.commits(message.kind, message.body()) {
            let fault = shared.plan().meet_commit();
            if fault == Some(CommitFault::CutBefore) {
                return;
            }
            // Before the message goes: its answer must not be quicker.
            *withheld.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        }
        if to.send((arrival(shared), message.into_bytes())).await.is_err() {
            return;
        }
    }
}

async fn read_server(
    mut from: impl AsyncBufRead + Unpin,
    to: mpsc::Sender<Sent>,
    shared: &Shared,
    withheld: &Withheld,
) {
    let fault = || *withheld.lock().unwrap_or_else(PoisonError::into_inner);
    let mut is_committed = false;
    while let Some(message) = message::next(&mut from).await {
        match fault() {
            None => {
                if to.send((arrival(shared), message.into_bytes())).await.is_err() {
                    return;
                }
            }
            Some(CommitFault::HangAfter) => {}
            Some(CommitFault::CutAfter | CommitFault::CutBefore) => {
                is_committed |= answers_commit(&message);
                if is_committed && message.kind == READY {
                    return;
                }
            }
        }
    }
    // That the server has gone would be an answer.
    if fault() == Some(CommitFault::HangAfter) {
        std::future::pending().await
    }
}

/// Whether it says that a transaction has ended, well or not.
fn answers_commit(message: &Message) -> bool {
    let is_end = [&b"COMMIT"[..], b"ROLLBACK"].iter().any(|tag| message.body().starts_with(tag));
    message.kind == ERROR || (message.kind == COMPLETE && is_end)
}

fn arrival(shared: &Shared) -> Instant {
    Instant::now() + shared.plan().delay
}

async fn write(to: impl AsyncWrite + Unpin, mut sent: mpsc::Receiver<Sent>, shared: &Shared) {
    let mut to = BufWriter::new(to);
    while let Some((arrival, bytes)) = sent.recv().await {
        if arrival > Instant::now() {
            if to.flush().await.is_err() {
                return;
            }
            tokio::time::sleep_until(arrival).await;
        }
        shared.until_open().await;
        let written = to.write_all(&bytes).await;
        if written.is_err() || (sent.is_empty() && to.flush().await.is_err()) {
            return;
        }
    }
    // That a side has gone does not get through either.
    shared.until_open().await;
}
