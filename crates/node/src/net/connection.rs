//! One authenticated TLS stream with its frames: reading within a bound, writing one at a time.
//!
//! Used until a session takes it apart into its two directions. It knows no session and no lane.
//! Called by `dial`, `listen`, `peer`, `join`; its [`Reader`] by `session`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use engine::dot::NodeId;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsStream;

use super::frame::{self, Frame, FrameError, Kind};
use super::hello::{Hello, Malformed, Refusal};
use super::limits::PREAUTH_PAYLOAD_BYTES_MAX;
use super::tls;

/// Reads are at least this large.
const READ_BYTES: usize = 64 << 10;

pub(super) type Stream = TlsStream<TcpStream>;

/// Why a connection is of no use; it is dropped, nothing else changes.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("the other end closed the connection")]
    Closed,
    #[error("nothing heard for {0:?}")]
    Silent(Duration),
    #[error("{0}")]
    Io(io::Error),
    #[error("the node there has a different key than expected")]
    WrongKey,
    #[error("protocol error: {0}")]
    Frame(#[from] FrameError),
    #[error("protocol error: {0}")]
    Malformed(#[from] Malformed),
    #[error("protocol error: unexpected {0:?} frame")]
    Unexpected(Kind),
    #[error("it could not prove that it knows the join code")]
    NotProven,
    #[error("refused: {0}")]
    Refused(Refusal),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        if tls::is_wrong_key(&error) {
            return LinkError::WrongKey;
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => LinkError::Closed,
            _ => LinkError::Io(error),
        }
    }
}

pub(super) struct Connection {
    pub(super) peer: NodeId,
    pub(super) address: SocketAddr,
    stream: Stream,
    buffer: BytesMut,
}

impl Connection {
    /// Wraps a stream whose handshake is done.
    pub(super) fn new(stream: Stream, address: SocketAddr) -> Result<Connection, LinkError> {
        let certificates = stream.get_ref().1.peer_certificates();
        let peer = tls::proven_peer(certificates).ok_or(Malformed("peer key"))?;
        Ok(Connection { peer, address, stream, buffer: BytesMut::new() })
    }

    /// The next frame, with the small bound of connections that are not admitted yet.
    pub(super) async fn read_preauth(&mut self) -> Result<Frame, LinkError> {
        self.read(PREAUTH_PAYLOAD_BYTES_MAX).await
    }

    pub(super) async fn read(&mut self, bound: usize) -> Result<Frame, LinkError> {
        read_frame(&mut self.stream, &mut self.buffer, bound, None).await
    }

    pub(super) async fn read_hello(&mut self) -> Result<Hello, LinkError> {
        let frame = self.read_preauth().await?;
        match frame.kind {
            Kind::Hello => Ok(Hello::decode(&frame.payload)?),
            Kind::Refuse => Err(LinkError::Refused(Refusal::decode(&frame.payload)?)),
            other => Err(LinkError::Unexpected(other)),
        }
    }

    pub(super) async fn write(&mut self, kind: Kind, payload: &[u8]) -> Result<(), LinkError> {
        let mut out = BytesMut::with_capacity(frame::HEADER_BYTES + payload.len());
        frame::put_header(&mut out, kind, 0, payload.len());
        out.extend_from_slice(payload);
        self.stream.write_all(&out).await?;
        Ok(self.stream.flush().await?)
    }

    /// Tests only: bytes as they are, a frame or not.
    #[cfg(test)]
    pub(super) async fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// Says why not and ends; what the other end makes of it is its affair.
    pub(super) async fn refuse(mut self, refusal: Refusal, limit: Duration) {
        let said = async {
            self.write(Kind::Refuse, &refusal.encode()).await?;
            Ok::<(), LinkError>(self.stream.shutdown().await?)
        };
        if !matches!(timeout(limit, said).await, Ok(Ok(()))) {
            tracing::debug!(peer = ?self.peer, "a refusal could not be delivered");
        }
    }

    pub(super) fn exporter(&self) -> Result<[u8; 32], LinkError> {
        Ok(tls::exporter(&self.stream)?)
    }

    /// The two directions, for the two tasks of a session.
    pub(super) fn split(self) -> (Reader, WriteHalf<Stream>) {
        let (half, writer) = tokio::io::split(self.stream);
        (Reader { half, buffer: self.buffer }, writer)
    }
}

/// The receiving direction of a connection.
pub(super) struct Reader {
    half: ReadHalf<Stream>,
    buffer: BytesMut,
}

impl Reader {
    /// The next frame; `Silent` if no byte at all arrives for `dead_after`.
    pub(super) async fn read(
        &mut self,
        bound: usize,
        dead_after: Duration,
    ) -> Result<Frame, LinkError> {
        read_frame(&mut self.half, &mut self.buffer, bound, Some(dead_after)).await
    }
}

async fn read_frame<R: AsyncRead + Unpin>(
    from: &mut R,
    buffer: &mut BytesMut,
    bound: usize,
    dead_after: Option<Duration>,
) -> Result<Frame, LinkError> {
    loop {
        if let Some(frame) = frame::take(buffer, bound)? {
            return Ok(frame);
        }
        buffer.reserve(READ_BYTES.min(bound));
        let read = match dead_after {
            None => from.read_buf(buffer).await?,
            Some(limit) => match timeout(limit, from.read_buf(buffer)).await {
                Ok(read) => read?,
                Err(_) => return Err(LinkError::Silent(limit)),
            },
        };
        if read == 0 {
            return Err(LinkError::Closed);
        }
    }
}
