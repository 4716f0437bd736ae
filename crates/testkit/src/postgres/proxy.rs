//! A proxy in front of a server, which does to connections what networks do.

mod frontend;
mod message;
mod relay;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc as orders;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{must, port};

/// What is done to a connection when its client commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFault {
    /// It is cut, and the server never gets the commit.
    CutBefore,
    /// It is cut when the server has answered the commit; the client never gets the answer.
    CutAfter,
    /// The server gets the commit, and the client gets no answer, for as long as it waits.
    HangAfter,
}

/// A TCP proxy on a loopback port, which stays the same. It ends when it is dropped.
///
/// It speaks no TLS: a client that offers it is told to go on without.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    orders: Option<orders::UnboundedSender<Given>>,
    running: Option<thread::JoinHandle<()>>,
}

enum Order {
    Refuse,
    Accept,
    Cut,
}

/// An order, and whom to tell that it was obeyed.
type Given = (Order, mpsc::Sender<Result<(), String>>);

struct Shared {
    plan: Mutex<Plan>,
    /// Whether bytes go through.
    open: watch::Sender<bool>,
}

struct Plan {
    server: SocketAddr,
    delay: Duration,
    fault: Option<CommitFault>,
    /// How often the fault is still to be made; `None` for ever.
    faults_left: Option<usize>,
    faults: usize,
    connections: usize,
    commits: usize,
}

impl Shared {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while nothing goes through.
    async fn until_open(&self) {
        // The sender lives as long as this.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }
}

impl Plan {
    /// A client commits: what is to be done to it.
    fn meet_commit(&mut self) -> Option<CommitFault> {
        self.commits += 1;
        let fault = self.fault.filter(|_| self.faults_left != Some(0))?;
        self.faults_left = self.faults_left.map(|left| left - 1);
        self.faults += 1;
        Some(fault)
    }
}

impl Proxy {
    /// A proxy that forwards to this server.
    ///
    /// # Panics
    /// When no loopback port can be had.
    pub fn start(server: SocketAddr) -> Self {
        must(Self::listen(server))
    }

    fn listen(server: SocketAddr) -> Result<Self, String> {
        let address = port::free()?;
        let plan = Plan {
            server,
            delay: Duration::ZERO,
            fault: None,
            faults_left: None,
            faults: 0,
            connections: 0,
            commits: 0,
        };
        let shared = Arc::new(Shared { plan: Mutex::new(plan), open: watch::Sender::new(true) });
        let (orders, received) = orders::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| e.to_string())?;
        let accepting = Accepting { address, listener: None, shared: Arc::clone(&shared) };
        // On a thread of its own: a test that blocks its runtime does not stop the proxy.
        let running = thread::spawn(move || runtime.block_on(accepting.run(received)));
        let proxy = Self { address, shared, orders: Some(orders), running: Some(running) };
        proxy.order(Order::Accept)?;
        Ok(proxy)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses new connections from now on, as a machine without the server does.
    pub fn refuse(&self) {
        must(self.order(Order::Refuse));
    }

    /// Accepts connections again.
    pub fn accept(&self) {
        must(self.order(Order::Accept));
    }

    /// Cuts all connections that there are; when this returns they are gone.
    pub fn cut(&self) {
        must(self.order(Order::Cut));
    }

    /// Delays every byte by so much, each way, from the next one on.
    pub fn delay(&self, delay: Duration) {
        self.shared.plan().delay = delay;
    }

    /// While that is so, connections are accepted and nothing goes through, old ones included.
    /// Afterwards everything goes on.
    pub fn black_hole(&self, on: bool) {
        self.shared.open.send_replace(!on);
    }

    /// Forwards to another server, from the next connection on.
    pub fn redirect(&self, server: SocketAddr) {
        self.shared.plan().server = server;
    }

    /// Makes this fault at so many commits that come next, whichever clients they are from.
    pub fn at_next_commits(&self, count: usize, fault: CommitFault) {
        self.set_fault(Some(fault), Some(count));
    }

    /// Makes this fault at every commit.
    pub fn at_every_commit(&self, fault: CommitFault) {
        self.set_fault(Some(fault), None);
    }

    /// Forwards commits as everything else.
    pub fn forward_commits(&self) {
        self.set_fault(None, None);
    }

    fn set_fault(&self, fault: Option<CommitFault>, faults_left: Option<usize>) {
        let mut plan = self.shared.plan();
        (plan.fault, plan.faults_left) = (fault, faults_left);
    }

    /// How many connections it accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.plan().connections
    }

    /// How many commits its clients sent so far.
    pub fn commits(&self) -> usize {
        self.shared.plan().commits
    }

    /// At how many of them it made a fault.
    pub fn commit_faults(&self) -> usize {
        self.shared.plan().faults
    }

    fn order(&self, order: Order) -> Result<(), String> {
        let (done, obeyed) = mpsc::channel();
        let sent = self.orders.as_ref().and_then(|orders| orders.send((order, done)).ok());
        sent.and_then(|()| obeyed.recv().ok()).ok_or("the proxy has ended")?
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.orders.take());
        // It panicked if it did; the test has failed then.
        let _ = self.running.take().map(thread::JoinHandle::join);
    }
}

struct Accepting {
    address: SocketAddr,
    /// `None` while connections are refused.
    listener: Option<TcpListener>,
    shared: Arc<Shared>,
}

impl Accepting {
    async fn run(mut self, mut orders: orders::UnboundedReceiver<Given>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                client = self.next_client() => {
                    self.shared.plan().connections += 1;
                    connections.spawn(relay::relay(client, Arc::clone(&self.shared)));
                }
                order = orders.recv() => {
                    let Some((order, done)) = order else { return };
                    let obeyed = self.obey(&order, &mut connections).await;
                    // Whoever gave the order may have been ended.
                    let _ = done.send(obeyed);
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn next_client(&self) -> TcpStream {
        if let Some(listener) = &self.listener {
            loop {
                match listener.accept().await {
                    Ok((client, _)) => return client,
                    // It may have given up, or there are no more files to be had for the moment.
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        }
        std::future::pending().await
    }

    async fn obey(&mut self, order: &Order, connections: &mut JoinSet<()>) -> Result<(), String> {
        match order {
            Order::Refuse => self.listener = None,
            Order::Accept if self.listener.is_some() => {}
            Order::Accept => {
                let listener = TcpListener::bind(self.address).await;
                self.listener = Some(listener.map_err(|e| format!("{}: {e}", self.address))?);
            }
            Order::Cut => connections.shutdown().await,
        }
        Ok(())
    }
}
