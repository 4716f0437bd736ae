//! The listening socket: connections, their limits and time-outs, and a graceful end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::handler::Handler;
use http::{HeaderName, Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::decompression::RequestDecompressionLayer;
use tracing::{info, warn};

use crate::app::App;
use crate::arrival::Peer;
use crate::handle::handle;
use crate::limits;

/// Serves connections until told to stop, then finishes what is in flight.
pub(crate) async fn listen(
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    stop: impl Future<Output = ()>,
) {
    let router = router(&app);
    let connections = Connections {
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
            Ok((stream, address)) => connections.take(stream, address, &router),
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
    builder: Builder<TokioExecutor>,
    graceful: GracefulShutdown,
    places: Arc<Semaphore>,
    tls: Option<TlsAcceptor>,
}

impl Connections {
    /// Serves one connection in a task of its own; closes it when there are too many.
    fn take(&self, stream: TcpStream, address: SocketAddr, service: &Router) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return;
        };
        let _ = stream.set_nodelay(true);
        let peer = Peer { address: address.ip(), tls: self.tls.is_some() };
        let service = service.clone().layer(axum::Extension(peer));
        let (builder, watcher) = (self.builder.clone(), self.graceful.watcher());
        match self.tls.clone() {
            None => {
                tokio::spawn(serve(builder, watcher, stream, service, place));
            }
            Some(acceptor) => {
                tokio::spawn(async move {
                    let handshake = acceptor.accept(stream);
                    let limit = limits::TLS_HANDSHAKE_S_MAX;
                    if let Ok(Ok(stream)) = tokio::time::timeout(limit, handshake).await {
                        serve(builder, watcher, stream, service, place).await;
                    }
                });
            }
        }
    }
}

async fn serve(
    builder: Builder<TokioExecutor>,
    watcher: hyper_util::server::graceful::Watcher,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: Router,
    _place: OwnedSemaphorePermit,
) {
    let service = TowerToHyperService::new(service);
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    // A client that breaks off or speaks nonsense is no event of this server's.
    let _ = watcher.watch(connection).await;
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

/// One handler for every path: nothing but `route` looks at it.
fn router(app: &Arc<App>) -> Router {
    let answer = |State(app): State<Arc<App>>,
                  axum::Extension(peer): axum::Extension<Peer>,
                  request: Request<Body>| handle(app, peer, request);
    // An encoding that cannot be undone is told of as every other fault is, after the decision.
    let decompression = RequestDecompressionLayer::new().pass_through_unaccepted(true);
    let handler = answer.layer(decompression);
    let router = Router::new().fallback(handler).with_state(Arc::clone(app));
    let router = router.layer(CatchPanicLayer::custom(panicked));
    if app.settings.cors_origins.is_empty() { router } else { router.layer(cors(app)) }
}

fn cors(app: &App) -> CorsLayer {
    let exposed = ["etag", "last-modified", "location", "x-request-id", "www-authenticate"];
    let sent = ["authorization", "content-type", "accept", "if-match", "if-none-exist", "prefer"];
    CorsLayer::new()
        .allow_origin(app.settings.cors_origins.clone())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::HEAD])
        .allow_headers(sent.map(HeaderName::from_static))
        .expose_headers(exposed.map(HeaderName::from_static))
}

/// A fault in one request is that request's alone; what it was about goes to nobody.
fn panicked(_: Box<dyn std::any::Any + Send>) -> http::Response<Body> {
    tracing::error!("a request ended in a fault of the server");
    let told = crate::failure::Refusal::Fault(String::new()).told();
    let mut response = http::Response::new(Body::from(told.outcome.to_string()));
    *response.status_mut() = told.status;
    let content_type = http::HeaderValue::from_static("application/fhir+json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    response
}
