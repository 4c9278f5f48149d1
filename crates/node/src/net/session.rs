//! The running of a complete session: one reader and one writer task per connection.
//!
//! Readers hand payloads to the daemon and wait while its channel is full, so that TCP pushes back;
//! writers empty the lanes in batches and compress where it pays. It opens and picks no connection.
//! Called by `peer`.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use engine::dot::NodeId;
use tokio::io::{AsyncWrite, AsyncWriteExt, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{timeout, Duration};

use super::compress::{self, WriteRate};
use super::connection::{Connection, LinkError, Reader, Stream};
use super::frame::{self, Kind, FLAG_ZSTD};
use super::hello::Hello;
use super::lane::{Next, Queue};
use super::limits::{Timing, BATCH_BYTES_MAX, DATA_PING_FACTOR, PAYLOAD_BYTES_MAX};
use super::{Ears, Lane, NetEvent, SendError};

/// Payloads from this size on are written from where they lie, not copied into a batch.
const COPY_BYTES_MAX: usize = 64 << 10;

/// The connections of a session, all greeted.
pub(super) struct Assembled {
    pub(super) hello: Hello,
    pub(super) version: u32,
    pub(super) control: Connection,
    pub(super) data: Vec<Connection>,
}

/// What is queued for one session.
pub(super) struct Lanes {
    control: Queue,
    /// One for each data connection.
    data: Vec<Queue>,
}

impl Lanes {
    pub(super) fn new(assembled: &Assembled) -> Lanes {
        let data = (0u8..).zip(&assembled.data).map(|(n, _)| Queue::new(Lane::Data(n)));
        Lanes { control: Queue::new(Lane::Control), data: data.collect() }
    }

    fn queue(&self, lane: Lane) -> &Queue {
        match lane {
            Lane::Control => &self.control,
            Lane::Data(n) => &self.data[usize::from(n) % self.data.len()],
        }
    }

    pub(super) fn send(&self, lane: Lane, payload: Bytes) -> Result<usize, SendError> {
        let length = payload.len();
        if length > PAYLOAD_BYTES_MAX {
            return Err(SendError::TooLarge { length });
        }
        self.queue(lane).push(payload)
    }

    /// Accepts no more; the writers end once all is written.
    pub(super) fn finish(&self) {
        self.control.finish();
        self.data.iter().for_each(Queue::finish);
    }
}

/// What the tasks of a session share.
#[derive(Clone)]
struct Ends {
    peer: NodeId,
    lanes: Arc<Lanes>,
    ears: Ears,
    timing: Timing,
}

/// Starts the tasks. Each ends with the reason why the session is over; dropping the set ends all.
pub(super) fn start(
    assembled: Assembled,
    lanes: Arc<Lanes>,
    ears: Ears,
    timing: Timing,
) -> JoinSet<LinkError> {
    let ends = Ends { peer: assembled.control.peer, lanes, ears, timing };
    let mut tasks = JoinSet::new();
    let control = std::iter::once((Lane::Control, assembled.control));
    let data = (0u8..).zip(assembled.data).map(|(n, connection)| (Lane::Data(n), connection));
    for (lane, connection) in control.chain(data) {
        let (reader, half) = connection.split();
        tasks.spawn(ends.clone().read(lane, reader));
        tasks.spawn(ends.clone().write(lane, half));
    }
    tasks
}

impl Ends {
    fn patience(&self, lane: Lane, of_control: Duration) -> Duration {
        match lane {
            Lane::Control => of_control,
            Lane::Data(_) => of_control * DATA_PING_FACTOR,
        }
    }

    async fn read(self, lane: Lane, mut reader: Reader) -> LinkError {
        let dead_after = self.patience(lane, self.timing.dead_after);
        loop {
            let frame = match reader.read(PAYLOAD_BYTES_MAX, dead_after).await {
                Ok(frame) => frame,
                Err(error) => return error,
            };
            match (lane, frame.kind) {
                (_, Kind::Ping) => {}
                (Lane::Control, Kind::Control) | (Lane::Data(_), Kind::Data) => {
                    let payload = frame.payload;
                    let event = NetEvent::Frame { peer: self.peer, lane, payload };
                    if self.ears.of(lane).send(event).await.is_err() {
                        return LinkError::Closed;
                    }
                }
                (_, other) => return LinkError::Unexpected(other),
            }
        }
    }

    async fn write(self, lane: Lane, half: WriteHalf<Stream>) -> LinkError {
        let kind = match lane {
            Lane::Control => Kind::Control,
            Lane::Data(_) => Kind::Data,
        };
        let mut writer =
            Writer { half, scratch: BytesMut::new(), rate: WriteRate::default(), kind };
        match self.drain(lane, &mut writer).await {
            Ok(()) => LinkError::Closed,
            Err(error) => error,
        }
    }

    /// Writes until the lane is finished.
    async fn drain(
        &self,
        lane: Lane,
        writer: &mut Writer<WriteHalf<Stream>>,
    ) -> Result<(), LinkError> {
        let ping_idle = self.patience(lane, self.timing.ping_idle);
        let queue = self.lanes.queue(lane);
        loop {
            match timeout(ping_idle, queue.next()).await {
                Err(_) => writer.ping().await?,
                Ok(Next::Finished) => return Ok(writer.half.shutdown().await?),
                Ok(Next::Batch(batch, queued)) => {
                    writer.write(&batch, queued).await?;
                    if let Some(queued) = queue.written(&batch) {
                        self.tell_drained(lane, queued);
                    }
                }
            }
        }
    }

    /// Never waits: a daemon that is busy with frames must not stop this peer's writes.
    fn tell_drained(&self, lane: Lane, queued: usize) {
        let drained = NetEvent::Drained { peer: self.peer, lane, queued };
        if let Err(mpsc::error::TrySendError::Full(drained)) = self.ears.of(lane).try_send(drained)
        {
            let events = self.ears.of(lane).clone();
            // A closed channel means that the daemon is gone: nobody is left to be told.
            tokio::spawn(async move { events.send(drained).await.ok() });
        }
    }
}

struct Writer<W> {
    half: W,
    scratch: BytesMut,
    rate: WriteRate,
    kind: Kind,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    async fn ping(&mut self) -> Result<(), LinkError> {
        frame::put_header(&mut self.scratch, Kind::Ping, 0, 0);
        self.flush().await
    }

    async fn write(&mut self, batch: &[Bytes], queued: usize) -> Result<(), LinkError> {
        let mut packed = Vec::with_capacity(batch.len());
        for payload in batch {
            packed.push(self.packed(payload, queued));
        }
        let started = Instant::now();
        let mut bytes = 0;
        for (payload, packed) in batch.iter().zip(&packed) {
            let (flags, body) = match packed {
                Some(packed) => (FLAG_ZSTD, packed),
                None => (0, payload),
            };
            bytes += body.len();
            frame::put_header(&mut self.scratch, self.kind, flags, body.len());
            if body.len() < COPY_BYTES_MAX {
                self.scratch.extend_from_slice(body);
            } else {
                self.half.write_all(&self.scratch).await?;
                self.scratch.clear();
                self.half.write_all(body).await?;
            }
        }
        self.flush().await?;
        self.rate.add(bytes, started.elapsed());
        Ok(())
    }

    fn packed(&self, payload: &Bytes, queued: usize) -> Option<Bytes> {
        let pays = compress::may_pay(payload.len(), queued, self.rate.bytes_per_second())
            && compress::probe(payload);
        if pays {
            frame::pack(payload)
        } else {
            None
        }
    }

    async fn flush(&mut self) -> Result<(), LinkError> {
        self.half.write_all(&self.scratch).await?;
        self.half.flush().await?;
        self.scratch.clear();
        if self.scratch.capacity() > 2 * BATCH_BYTES_MAX {
            self.scratch = BytesMut::new();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
