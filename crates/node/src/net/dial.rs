//! Reaching a peer: resolve, connect, TLS handshake with a pinned key; how long to wait between.
//!
//! Who is dialled, and whether the connection is wanted, is decided in `peer` and `join`.

use std::net::SocketAddr;
use std::time::Duration;

use aws_lc_rs::rand;
use tokio::net::{lookup_host, TcpStream};
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, TlsStream};

use super::connection::{Connection, LinkError};
use super::identity::Identity;
use super::limits::Timing;
use super::tls::{self, Pin};

/// Addresses that one name may resolve to and that are tried.
const RESOLVED_MAX: usize = 8;

/// Connects to `address` (`host:port`) and proves that the pinned node is there.
///
/// # Errors
/// That of the last address the name resolved to.
pub(super) async fn connect(
    identity: &Identity,
    pin: Pin,
    address: &str,
    limit: Duration,
) -> Result<Connection, LinkError> {
    let resolve = timeout(limit, lookup_host(address)).await;
    let resolved: Vec<SocketAddr> =
        resolve.map_err(|_| LinkError::Silent(limit))??.take(RESOLVED_MAX).collect();
    let mut last = LinkError::Io(std::io::Error::other("the name has no address"));
    for socket in resolved {
        match connect_to(identity, pin, socket, limit).await {
            Ok(connection) => return Ok(connection),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Connects to one socket address.
pub(super) async fn connect_to(
    identity: &Identity,
    pin: Pin,
    socket: SocketAddr,
    limit: Duration,
) -> Result<Connection, LinkError> {
    let config = tls::client_config(identity, pin)?;
    let handshake = async {
        let tcp = TcpStream::connect(socket).await?;
        tcp.set_nodelay(true)?;
        TlsConnector::from(config).connect(tls::server_name(), tcp).await
    };
    let stream = timeout(limit, handshake).await.map_err(|_| LinkError::Silent(limit))??;
    Connection::new(TlsStream::Client(stream), socket)
}

/// How long to wait before trying again after `failures` in a row: doubling, then jittered down to
/// a half so that nodes that lost the same peer do not come back in step.
pub(super) fn backoff(timing: &Timing, failures: u32) -> Duration {
    let mut noise = [0; 2];
    // Without noise the wait is only less spread.
    let _ = rand::fill(&mut noise);
    jittered(timing, failures, u16::from_be_bytes(noise))
}

fn jittered(timing: &Timing, failures: u32, noise: u16) -> Duration {
    if failures == 0 {
        return Duration::ZERO;
    }
    let doubled = timing.backoff_min.saturating_mul(1 << (failures - 1).min(20));
    let full = doubled.min(timing.backoff_max);
    full / 2 + (full / 2).mul_f64(f64::from(noise) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests;
