//! An identity provider on a loopback port, inside the test's own process.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How the provider answers at `/jwks`.
#[derive(Clone, Debug)]
pub enum Answer {
    /// With the published keys.
    Keys,
    /// With this text and 200.
    Text(String),
    /// With an error.
    Status(u16),
    /// With a redirect to there.
    Redirect(String),
    /// Never.
    Hang,
    /// With the head of an answer, and no body that ends.
    Stall,
    /// With a body that goes on and on.
    Endless,
    /// With a byte a second.
    Trickle,
    /// With a body that is said to have a gigabyte.
    Gigabyte,
    /// With the published keys, said to be compressed.
    Compressed,
}

/// An identity provider on a loopback port. It ends when it is dropped.
pub struct FakeProvider {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    answer: Mutex<Answer>,
    keys: Mutex<Vec<Value>>,
    configuration: Mutex<Option<String>>,
    requests: AtomicUsize,
    elsewhere: AtomicUsize,
    connections: AtomicUsize,
}

impl FakeProvider {
    /// A provider that publishes these keys.
    ///
    /// # Panics
    /// When no loopback port can be had.
    #[expect(clippy::expect_used, reason = "a test without a provider is no test")]
    pub async fn start(keys: Vec<Value>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a loopback port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            answer: Mutex::new(Answer::Keys),
            keys: Mutex::new(keys),
            configuration: Mutex::new(None),
            requests: AtomicUsize::new(0),
            elsewhere: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, accepting }
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The `iss` of its tokens.
    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where its keys are.
    pub fn jwks_uri(&self) -> String {
        format!("http://{}/jwks", self.address)
    }

    /// Publishes other keys, from the next request on.
    pub fn publish(&self, keys: Vec<Value>) {
        *self.shared.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Answers so at `/.well-known/openid-configuration`, where there is nothing otherwise.
    pub fn configure(&self, text: String) {
        let configuration = &self.shared.configuration;
        *configuration.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    /// Answers so, from the next request on.
    pub fn answer(&self, answer: Answer) {
        *self.shared.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// How often its keys were asked for.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// How often anything but its keys was asked for.
    pub fn requests_elsewhere(&self) -> usize {
        self.shared.elsewhere.load(Ordering::SeqCst)
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| respond(Arc::clone(&shared), request));
            // A client that goes away is not the provider's fault.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

pub(crate) type Answered = Result<Response<BoxBody<Bytes, Infallible>>, hyper::http::Error>;

async fn respond(shared: Arc<Shared>, request: Request<Incoming>) -> Answered {
    let configuration = shared.configuration.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let ("/.well-known/openid-configuration", Some(configuration)) =
        (request.uri().path(), configuration)
    {
        return Response::builder().body(text(configuration));
    }
    if request.uri().path() != "/jwks" {
        shared.elsewhere.fetch_add(1, Ordering::SeqCst);
        return Response::builder().status(404).body(text(String::new()));
    }
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let keys = shared.keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let keys = json!({"keys": keys}).to_string();
    let answer = shared.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match answer {
        Answer::Keys => Response::builder().body(text(keys)),
        Answer::Text(body) => Response::builder().body(text(body)),
        Answer::Status(status) => Response::builder().status(status).body(text(String::new())),
        Answer::Redirect(to) => {
            Response::builder().status(302).header("location", to).body(text(String::new()))
        }
        Answer::Hang => std::future::pending().await,
        Answer::Stall => Response::builder().body(Stream::Silent.boxed()),
        Answer::Endless => Response::builder().body(Stream::Endless.boxed()),
        Answer::Trickle => {
            let second = tokio::time::interval(std::time::Duration::from_secs(1));
            Response::builder().body(Stream::Trickle(second).boxed())
        }
        Answer::Gigabyte => {
            Response::builder().header("content-length", 1 << 30).body(Stream::Endless.boxed())
        }
        Answer::Compressed => {
            Response::builder().header("content-encoding", "gzip").body(text(keys))
        }
    }
}

pub(crate) fn text(body: String) -> BoxBody<Bytes, Infallible> {
    Full::new(Bytes::from(body)).boxed()
}

/// A body that never ends.
pub(crate) enum Stream {
    Silent,
    Endless,
    Trickle(tokio::time::Interval),
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        polled: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        const CHUNK: &[u8] = &[b' '; 4_096];
        let chunk = |length| Bytes::from_static(CHUNK.get(..length).unwrap_or_default());
        match self.get_mut() {
            Self::Silent => Poll::Pending,
            Self::Endless => Poll::Ready(Some(Ok(Frame::data(chunk(CHUNK.len()))))),
            Self::Trickle(second) => {
                second.poll_tick(polled).map(|_| Some(Ok(Frame::data(chunk(1)))))
            }
        }
    }
}
