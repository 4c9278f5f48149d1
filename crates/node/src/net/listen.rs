//! Accepting: who is there is proven and admitted before anything it says is acted upon.
//!
//! Strangers get a small bound, a deadline and one of a few slots; when all slots are taken the
//! oldest goes, so that stalled connections cannot keep members out. Called by `pool` at start;
//! hands what it admitted to `pool`, and newcomers to `join`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::connection::{Connection, LinkError};
use super::hello::{Hello, Purpose, Refusal};
use super::join;
use super::limits::PREAUTH_CONNECTIONS_MAX;
use super::peer::Incoming;
use super::pool::Shared;

/// Pause after `accept` failed, for lack of descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the layer stops.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>, acceptor: TlsAcceptor) {
    let mut handshakes = JoinSet::new();
    let mut waiting: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shared.stopped() => return,
        };
        while handshakes.try_join_next().is_some() {}
        waiting.retain(|task| !task.is_finished());
        match accepted {
            Ok((tcp, address)) => {
                if waiting.len() >= PREAUTH_CONNECTIONS_MAX {
                    waiting.pop_front().inspect(AbortHandle::abort);
                }
                let admitting = admit(shared.clone(), acceptor.clone(), tcp, address);
                waiting.push_back(handshakes.spawn(admitting));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; trying again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn admit(shared: Arc<Shared>, acceptor: TlsAcceptor, tcp: TcpStream, address: SocketAddr) {
    let limit = shared.config.timing.preauth;
    let outcome = match timeout(limit, greet(&shared, acceptor, tcp, address)).await {
        Err(_) => Err(LinkError::Silent(limit)),
        Ok(Err(error)) => Err(error),
        Ok(Ok((connection, hello, admitted))) => route(&shared, connection, hello, admitted).await,
    };
    if let Err(error) = outcome {
        tracing::debug!(%address, %error, "a connection was not admitted");
    }
}

/// TLS, then whether the proven node is a member, then its HELLO.
async fn greet(
    shared: &Shared,
    acceptor: TlsAcceptor,
    tcp: TcpStream,
    address: SocketAddr,
) -> Result<(Connection, Hello, bool), LinkError> {
    tcp.set_nodelay(true)?;
    let stream = TlsStream::Server(acceptor.accept(tcp).await?);
    let mut connection = Connection::new(stream, address)?;
    let admitted = shared.authority.admit(&connection.peer);
    let hello = connection.read_hello().await?;
    Ok((connection, hello, admitted))
}

async fn route(
    shared: &Arc<Shared>,
    connection: Connection,
    hello: Hello,
    admitted: bool,
) -> Result<(), LinkError> {
    let refusal = if hello.version().is_none() {
        Some(Refusal::Version)
    } else if hello.cluster != shared.config.cluster {
        Some(Refusal::OtherCluster)
    } else if connection.peer == shared.config.identity.node_id() {
        Some(Refusal::Other("this is the same node".to_owned()))
    } else if hello.purpose != Purpose::Join && !admitted {
        Some(Refusal::NotMember)
    } else {
        None
    };
    if let Some(refusal) = refusal {
        let error = LinkError::Refused(refusal.clone());
        connection.refuse(refusal, shared.config.timing.preauth).await;
        return Err(error);
    }
    if hello.purpose == Purpose::Join {
        return join::serve(shared, connection, hello).await;
    }
    shared.deliver(Incoming { connection, hello }).await;
    Ok(())
}
