//! `/healthz` over HTTP, and nothing else (decisions C2).
//!
//! Any local program can reach a TCP port, so no name, path or figure is told here: one word. What
//! "well" means is the daemon's to say. Called by the daemon.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::Router;
use tokio::net::TcpListener;

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
}

impl HttpServer {
    /// Binds the port.
    ///
    /// # Errors
    /// In use, or refused by the system.
    pub async fn bind(address: SocketAddr) -> Result<HttpServer, HttpError> {
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok(HttpServer { listener, address })
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
        axum::serve(self.listener, router).with_graceful_shutdown(stop).await
    }
}

async fn healthz(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not well; see `syncline status`\n")
    }
}

#[cfg(test)]
mod tests;
