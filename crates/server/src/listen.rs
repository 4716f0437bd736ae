//! The listening socket: connections, their limits and time-outs, and a graceful end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tower::Layer;
use tower_http::cors::CorsLayer;
use tracing::{info, warn};

use crate::app::App;
use crate::arrival::Peer;
use crate::failure::Refusal;
use crate::first_bytes::FirstBytes;
use crate::handle::handle;
use crate::limits;

/// Serves connections until told to stop, then finishes what is in flight.
pub(crate) async fn listen(
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    stop: impl Future<Output = ()>,
) {
    let cors = (!app.settings.cors_origins.is_empty()).then(|| cors(&app));
    let connections = Connections {
        app: Arc::clone(&app),
        cors,
        builder: builder(),
        graceful: GracefulShutdown::new(),
        places: Arc::new(Semaphore::new(limits::CONNECTIONS_MAX)),
        tls,
    };
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, address)) => connections.take(stream, address),
            Err(error) => {
                // Out of file descriptors, most likely: those in use come back.
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(limits::ACCEPT_PAUSE_S).await;
            }
        }
    }
    app.stopping.store(true, Ordering::Relaxed);
    drop(listener);
    info!("stopping: no new connections, requests in flight are finished");
    let finished = connections.graceful.shutdown();
    if tokio::time::timeout(limits::SHUTDOWN_S_MAX, finished).await.is_err() {
        warn!("requests were still in flight at the end of the shutdown");
    }
}

struct Connections {
    app: Arc<App>,
    builder: Builder<TokioExecutor>,
    graceful: GracefulShutdown,
    places: Arc<Semaphore>,
    cors: Option<CorsLayer>,
    tls: Option<TlsAcceptor>,
}

/// What one connection is served with.
struct Connection {
    app: Arc<App>,
    peer: Peer,
    builder: Builder<TokioExecutor>,
    watcher: Watcher,
    cors: Option<CorsLayer>,
    place: OwnedSemaphorePermit,
}

impl Connections {
    /// Serves one connection in a task of its own; closes it when there are too many.
    fn take(&self, stream: TcpStream, address: SocketAddr) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return;
        };
        let _ = stream.set_nodelay(true);
        let connection = Connection {
            app: Arc::clone(&self.app),
            peer: Peer { address: address.ip(), tls: self.tls.is_some() },
            builder: self.builder.clone(),
            watcher: self.graceful.watcher(),
            cors: self.cors.clone(),
            place,
        };
        let Some(acceptor) = self.tls.clone() else {
            tokio::spawn(serve(connection, stream));
            return;
        };
        tokio::spawn(async move {
            let handshake = acceptor.accept(stream);
            let limit = limits::TLS_HANDSHAKE_S_MAX;
            if let Ok(Ok(stream)) = tokio::time::timeout(limit, handshake).await {
                serve(connection, stream).await;
            }
        });
    }
}

async fn serve(
    connection: Connection,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    let Connection { builder, watcher, app, peer, cors, place } = connection;
    let answer = move |request| answer(Arc::clone(&app), peer, request);
    let stream = TokioIo::new(FirstBytes::within(stream, limits::HEADER_READ_S_MAX));
    // A client that breaks off or speaks nonsense is no event of this server's.
    let _ = match cors {
        None => {
            let connection = builder.serve_connection(stream, service_fn(answer));
            watcher.watch(connection.into_owned()).await
        }
        Some(cors) => {
            let service = TowerToHyperService::new(cors.layer(tower::service_fn(answer)));
            let connection = builder.serve_connection(stream, service);
            watcher.watch(connection.into_owned()).await
        }
    };
    drop(place);
}

/// How connections are read. Without a timer hyper keeps a half-sent header for ever.
fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_READ_S_MAX)
        .max_headers(limits::HEADERS_MAX)
        .max_buf_size(limits::HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::HTTP2_STREAMS_MAX)
        .max_header_list_size(u32::try_from(limits::HEADER_BYTES_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(limits::HTTP2_PING_S)
        .keep_alive_timeout(limits::HEADER_READ_S_MAX);
    builder
}

/// The answer to one request. A fault in it is that request's alone.
async fn answer(app: Arc<App>, peer: Peer, request: Request<Incoming>) -> Answered {
    let answering = AssertUnwindSafe(handle(app, peer, request));
    Ok(answering.catch_unwind().await.unwrap_or_else(|_| fault()))
}

/// What HTTP is told; an error would only be a broken connection.
type Answered = Result<Response<Full<Bytes>>, Infallible>;

fn cors(app: &App) -> CorsLayer {
    let exposed = ["etag", "last-modified", "location", "x-request-id", "www-authenticate"];
    let sent = ["authorization", "content-type", "accept", "if-match", "if-none-exist", "prefer"];
    CorsLayer::new()
        .allow_origin(app.settings.cors_origins.clone())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::HEAD])
        .allow_headers(sent.map(HeaderName::from_static))
        .expose_headers(exposed.map(HeaderName::from_static))
}

/// What was at fault goes to nobody.
fn fault() -> Response<Full<Bytes>> {
    tracing::error!("a request ended in a fault of the server");
    let told = Refusal::Fault(String::new()).told();
    let mut response = Response::new(Full::from(told.outcome.to_string()));
    *response.status_mut() = told.status;
    let content_type = HeaderValue::from_static("application/fhir+json");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
