//! `/healthz` over HTTP, and nothing else (decisions C2).
//!
//! Any local program can reach a TCP port, so no name, path or figure is told here: one word. What
//! "well" means is the daemon's to say. For the same reason a connection is short, one question
//! and its answer, and few are open at once. Called by the daemon.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::State;
use axum::http::{header, HeaderName, StatusCode};
use axum::routing::get;
use axum::serve::Listener;
use axum::Router;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;

use crate::door::{Door, Guest};

/// Connections open at once; for one more the oldest is closed.
pub const CONNECTIONS_MAX: usize = 32;
/// How long a connection lasts at most: a whole question has come by then and is answered.
pub const CONNECTION_LIMIT: Duration = Duration::from_secs(10);

/// Whether all is well; asked for every request, so it must be quick.
pub type Health = Arc<dyn Fn() -> bool + Send + Sync>;

/// Why HTTP cannot be served; nothing is listening.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Another program has the port.
    #[error(
        "http address {address} is in use by another program; nothing was started; choose another \
         with --http ADDR:PORT (`http` in config.toml), or turn it off with --http off"
    )]
    InUse {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The system said no.
    #[error("cannot listen for http on {address}: {source}; nothing was started")]
    Io {
        /// The address asked for.
        address: SocketAddr,
        /// What the system answered.
        source: io::Error,
    },
}

/// A bound port, not yet served.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
    limit: Duration,
}

impl HttpServer {
    /// Binds the port; no connection will last longer than `limit`.
    ///
    /// # Errors
    /// In use, or refused by the system.
    pub async fn bind(address: SocketAddr, limit: Duration) -> Result<HttpServer, HttpError> {
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok(HttpServer { listener, address, limit })
        };
        bound.await.map_err(|source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => HttpError::InUse { address },
            _ => HttpError::Io { address, source },
        })
    }

    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is ready; then ends in good order.
    ///
    /// # Errors
    /// The listener broke.
    pub async fn run(
        self,
        health: Health,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let router = Router::new().route("/healthz", get(healthz)).with_state(health);
        let door = Door::new(CONNECTIONS_MAX);
        let bounded = Bounded { listener: self.listener, limit: self.limit, door };
        axum::serve(bounded, router).with_graceful_shutdown(stop).await
    }
}

/// One answer a connection: a program that keeps its connection for the next question would find
/// it closed in the middle of one.
type Answer = (StatusCode, [(HeaderName, &'static str); 1], &'static str);

async fn healthz(State(health): State<Health>) -> Answer {
    let close = [(header::CONNECTION, "close")];
    if health() {
        (StatusCode::OK, close, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, close, "not well; see `syncline status`\n")
    }
}

/// Takes connections, few at once, each for a short time.
struct Bounded {
    listener: TcpListener,
    limit: Duration,
    door: Door,
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            // Without a guest the others are just going: this one is closed, the next comes in.
            if let Some(guest) = self.door.enter().await {
                let ends = Box::pin(tokio::time::sleep(self.limit));
                return (Connection { stream, guest, ends }, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that breaks when its time is over or its place is needed.
struct Connection {
    stream: TcpStream,
    guest: Guest,
    ends: Pin<Box<Sleep>>,
}

impl Connection {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let is_over = self.ends.as_mut().poll(context).is_ready();
        if self.guest.has_to_leave(context) || is_over {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
