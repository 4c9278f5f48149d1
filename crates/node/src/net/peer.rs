//! One task per peer: it dials, takes what the peer dialled, picks one of the two, and runs it.
//!
//! All that happens with one peer happens in this task, so there is nothing to lock and no order to
//! repair: at most one session, and the events of one are over before those of the next begin.
//! Started by `pool`; uses `dial` and `session`.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use engine::dot::NodeId;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout, timeout_at};

use super::connection::{Connection, LinkError};
use super::frame::Kind;
use super::hello::{short, Hello, Purpose, Refusal};
use super::limits::DATA_CONNECTIONS;
use super::pool::Shared;
use super::session::{self, Assembled, Lanes};
use super::tls::Pin;
use super::{dial, Link, NetEvent};

/// A greeted connection that the peer dialled.
pub(super) struct Incoming {
    pub(super) connection: Connection,
    pub(super) hello: Hello,
}

/// What the daemon wants of this peer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Wanted {
    pub(super) member: bool,
    pub(super) addresses: Vec<String>,
    /// Sessions up to this one are to end.
    pub(super) closed: u64,
    /// The last session that is to end because of what the peer said in it, and what that was.
    pub(super) offence: Option<(u64, &'static str)>,
}

/// The number of the session that is up, and what is queued for it.
pub(super) type Up = (u64, Arc<Lanes>);

/// Where `send` finds the session that is up.
pub(super) type LaneSlot = Arc<Mutex<Option<Up>>>;

/// A peer's process and the last of its proposals that is settled: what is not newer is stale.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Fence {
    process: [u8; 16],
    attempt: u64,
}

pub(super) struct PeerTask {
    pub(super) shared: Arc<Shared>,
    pub(super) peer: NodeId,
    pub(super) incoming: mpsc::Receiver<Incoming>,
    pub(super) wanted: watch::Receiver<Wanted>,
    pub(super) lanes: LaneSlot,
    fence: Option<Fence>,
    failures: AtomicU32,
    /// Sessions on end that were over as soon as they were up, or were broken off.
    short: u32,
    /// After an offence: this process of the peer is not let in before then.
    rest: Option<(Instant, [u8; 16])>,
}

enum Step {
    Idle,
    Assemble(Incoming),
    Run(Assembled),
    Stop,
}

/// Whether a control connection that the peer proposes is taken instead of what is there.
///
/// A proposal is made only by who has no session, so a fresh one beats a session that is up here.
/// While both propose, the one of the smaller node id is taken by both; since taking and proposing
/// exclude one another, there is never none and never two.
fn takes(me: &NodeId, peer: &NodeId, fence: Option<Fence>, hello: &Hello, proposing: bool) -> bool {
    let stale = fence.is_some_and(|f| f.process == hello.process && hello.attempt <= f.attempt);
    hello.purpose == Purpose::Control && !stale && !(proposing && me < peer)
}

impl PeerTask {
    pub(super) fn new(
        shared: Arc<Shared>,
        peer: NodeId,
        incoming: mpsc::Receiver<Incoming>,
        wanted: watch::Receiver<Wanted>,
        lanes: LaneSlot,
    ) -> PeerTask {
        let failures = AtomicU32::new(0);
        PeerTask {
            shared,
            peer,
            incoming,
            wanted,
            lanes,
            fence: None,
            failures,
            short: 0,
            rest: None,
        }
    }

    pub(super) async fn run(mut self) {
        let shared = self.shared.clone();
        let mut step = Step::Idle;
        loop {
            step = match step {
                Step::Idle => tokio::select! {
                    step = self.idle() => step,
                    () = shared.stopped() => Step::Stop,
                },
                Step::Assemble(incoming) => tokio::select! {
                    step = self.assemble(incoming) => step,
                    () = shared.stopped() => Step::Stop,
                },
                Step::Run(assembled) => self.session(assembled).await,
                Step::Stop => return,
            }
        }
    }

    fn takes(&self, hello: &Hello, proposing: bool) -> bool {
        let rests = |(until, process)| process == hello.process && Instant::now() < until;
        if self.rest.is_some_and(rests) {
            return false;
        }
        takes(&self.shared.config.identity.node_id(), &self.peer, self.fence, hello, proposing)
    }

    fn refuse(&self, incoming: Incoming) {
        let limit = self.shared.config.timing.preauth;
        tokio::spawn(incoming.connection.refuse(Refusal::Busy, limit));
    }

    /// No session: dial if there is an address, and take what comes in.
    async fn idle(&mut self) -> Step {
        let wanted = self.wanted.borrow_and_update().clone();
        let proposing = AtomicBool::new(false);
        let failures = AtomicU32::new(self.failures.load(Ordering::Relaxed));
        let shared = self.shared.clone();
        let mut dialling =
            std::pin::pin!(keep_dialling(&shared, self.peer, wanted, &proposing, &failures));
        let step = loop {
            tokio::select! {
                assembled = &mut dialling => break Step::Run(assembled),
                incoming = self.incoming.recv() => match incoming {
                    None => break Step::Stop,
                    Some(incoming) => {
                        if self.takes(&incoming.hello, proposing.load(Ordering::Relaxed)) {
                            break Step::Assemble(incoming);
                        }
                        self.refuse(incoming);
                    }
                },
                changed = self.wanted.changed() => {
                    break if changed.is_ok() { Step::Idle } else { Step::Stop };
                }
            }
        };
        self.failures.store(failures.load(Ordering::Relaxed), Ordering::Relaxed);
        step
    }

    /// The peer's proposal is taken: answer it and wait for its data connections.
    async fn assemble(&mut self, first: Incoming) -> Step {
        let limit = self.shared.config.timing.preauth;
        let Incoming { connection: mut control, hello } = first;
        self.fence = Some(Fence { process: hello.process, attempt: hello.attempt });
        let Some(version) = hello.version() else { return Step::Idle };
        let deadline = tokio::time::Instant::now() + limit;
        if !self.answer(&mut control, Purpose::Control, hello.session).await {
            return Step::Idle;
        }
        let mut data = Vec::new();
        while data.len() < hello.data_connections {
            let mut incoming = match timeout_at(deadline, self.incoming.recv()).await {
                Err(_) => {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    return Step::Idle;
                }
                Ok(None) => return Step::Stop,
                Ok(Some(incoming)) => incoming,
            };
            let ours = incoming.hello.session == hello.session;
            if incoming.hello.purpose == Purpose::Data && ours {
                let session = hello.session;
                if !self.answer(&mut incoming.connection, Purpose::Data, session).await {
                    return Step::Idle;
                }
                data.push(incoming.connection);
            } else if self.takes(&incoming.hello, false) {
                return Step::Assemble(incoming);
            } else {
                self.refuse(incoming);
            }
        }
        Step::Run(Assembled { hello, version, control, data })
    }

    async fn answer(&self, to: &mut Connection, purpose: Purpose, session: [u8; 16]) -> bool {
        let hello = self.shared.hello(purpose, session).encode();
        let limit = self.shared.config.timing.preauth;
        matches!(timeout(limit, to.write(Kind::Hello, &hello)).await, Ok(Ok(())))
    }

    /// A complete session, from `Connected` to `Disconnected`.
    async fn session(&mut self, assembled: Assembled) -> Step {
        let wanted = self.wanted.borrow_and_update().clone();
        let admitted = self.shared.authority.admit(&self.peer);
        if !wanted.member || !admitted {
            self.failures.fetch_add(1, Ordering::Relaxed);
            return Step::Idle;
        }
        let fence = Fence { process: assembled.hello.process, attempt: assembled.hello.attempt };
        self.fence = Some(fence);
        let link = Link { peer: self.peer, session: self.shared.next_session() };
        let connected = NetEvent::Connected {
            link,
            name: assembled.hello.name.clone(),
            version: assembled.version,
            address: assembled.control.address,
        };
        let lanes = Arc::new(Lanes::new(&assembled));
        self.set_lanes(Some((link.session, lanes.clone())));
        if self.shared.ears.control.send(connected).await.is_err() {
            return Step::Stop;
        }
        let (began, process) = (Instant::now(), fence.process);
        let timing = self.shared.config.timing;
        let mut tasks = session::start(assembled, lanes.clone(), self.shared.ears.clone(), timing);
        let (reason, next) = self.watch_over(&mut tasks, &lanes, link.session).await;
        self.set_lanes(None);
        tasks.shutdown().await;
        // A session that ends as soon as it is up, or each time for the same reason, must not be
        // dialled or taken again in a tight loop.
        let offended = self.wanted.borrow().offence.is_some_and(|(of, _)| of == link.session);
        let lasted = began.elapsed() >= timing.preauth && !offended;
        self.short = if lasted { 0 } else { self.short.saturating_add(1) };
        self.failures.store(self.short, Ordering::Relaxed);
        self.rest =
            offended.then(|| (Instant::now() + dial::backoff(&timing, self.short), process));
        let disconnected = NetEvent::Disconnected { peer: self.peer, reason };
        match self.shared.ears.control.send(disconnected).await {
            Ok(()) => next,
            Err(_) => Step::Stop,
        }
    }

    /// Waits for what ends the session: its tasks, the peer, the daemon.
    async fn watch_over(
        &mut self,
        tasks: &mut JoinSet<LinkError>,
        lanes: &Lanes,
        session: u64,
    ) -> (String, Step) {
        let shared = self.shared.clone();
        loop {
            tokio::select! {
                ended = tasks.join_next() => {
                    let reason = match ended {
                        Some(Ok(LinkError::Closed)) => {
                            self.drain(tasks, lanes).await;
                            LinkError::Closed.to_string()
                        }
                        Some(Ok(error)) => error.to_string(),
                        _ => "a task of the session failed".to_owned(),
                    };
                    return (reason, Step::Idle);
                }
                incoming = self.incoming.recv() => match incoming {
                    None => return ("this node stops".to_owned(), Step::Stop),
                    Some(incoming) if self.takes(&incoming.hello, false) => {
                        return ("the peer connected anew".to_owned(), Step::Assemble(incoming));
                    }
                    Some(incoming) => self.refuse(incoming),
                },
                changed = self.wanted.changed() => {
                    let wanted = self.wanted.borrow_and_update().clone();
                    if changed.is_err() || !wanted.member {
                        return ("the peer is no member any more".to_owned(), Step::Idle);
                    }
                    if wanted.closed >= session {
                        let offence = wanted.offence.filter(|(of, _)| *of == session);
                        let why = offence.map(|(_, why)| format!(": {why}")).unwrap_or_default();
                        return (format!("closed by this node{why}"), Step::Idle);
                    }
                }
                () = shared.stopped() => {
                    self.drain(tasks, lanes).await;
                    return ("this node stops".to_owned(), Step::Stop);
                }
            }
        }
    }

    /// An orderly end: both sides write what they have queued and read until the other is done.
    /// What is not through in time is lost, as with any end of a session.
    async fn drain(&self, tasks: &mut JoinSet<LinkError>, lanes: &Lanes) {
        lanes.finish();
        let all = async { while tasks.join_next().await.is_some() {} };
        if timeout(self.shared.config.timing.flush, all).await.is_err() {
            tracing::debug!(peer = short(&self.peer), "the session ended with frames in flight");
        }
    }

    fn set_lanes(&self, up: Option<Up>) {
        *self.lanes.lock().expect("no code panics while it holds this lock") = up;
    }
}

/// Dials until a session is assembled; for ever if there is nothing to dial.
async fn keep_dialling(
    shared: &Arc<Shared>,
    peer: NodeId,
    wanted: Wanted,
    proposing: &AtomicBool,
    failures: &AtomicU32,
) -> Assembled {
    if !wanted.member || wanted.addresses.is_empty() {
        return std::future::pending().await;
    }
    for address in wanted.addresses.iter().cycle() {
        sleep(dial::backoff(&shared.config.timing, failures.load(Ordering::Relaxed))).await;
        let error = match propose(shared, peer, address, proposing).await {
            Ok(assembled) => return assembled,
            Err(error) => error,
        };
        proposing.store(false, Ordering::Relaxed);
        tracing::debug!(peer = short(&peer), address, %error, "dial failed");
        let not_reached = NetEvent::NotReached { peer, reason: format!("{address}: {error}") };
        // A daemon that is busy is told next time.
        drop(shared.ears.control.try_send(not_reached));
        failures.fetch_add(1, Ordering::Relaxed);
    }
    std::future::pending().await
}

/// One control connection to `address`, and if the peer takes it, the session's data connections.
async fn propose(
    shared: &Arc<Shared>,
    peer: NodeId,
    address: &str,
    proposing: &AtomicBool,
) -> Result<Assembled, LinkError> {
    let (identity, timing) = (&shared.config.identity, &shared.config.timing);
    let mut control = dial::connect(identity, Pin::Node(peer), address, timing.dial).await?;
    let session = super::pool::random_token();
    shared.count_attempt();
    proposing.store(true, Ordering::Relaxed);
    let hello = greet(shared, &mut control, Purpose::Control, session).await?;
    let version = hello.version().ok_or(LinkError::Refused(Refusal::Version))?;
    let socket = control.address;
    let mut opening = JoinSet::new();
    for _ in 0..DATA_CONNECTIONS {
        let shared = shared.clone();
        opening.spawn(async move {
            let (identity, limit) = (&shared.config.identity, shared.config.timing.dial);
            let mut data = dial::connect_to(identity, Pin::Node(peer), socket, limit).await?;
            greet(&shared, &mut data, Purpose::Data, session).await?;
            Ok::<Connection, LinkError>(data)
        });
    }
    let mut data = Vec::new();
    while let Some(opened) = opening.join_next().await {
        data.push(opened.map_err(|_| LinkError::Closed)??);
    }
    Ok(Assembled { hello, version, control, data })
}

async fn greet(
    shared: &Shared,
    connection: &mut Connection,
    purpose: Purpose,
    session: [u8; 16],
) -> Result<Hello, LinkError> {
    let limit = shared.config.timing.preauth;
    let greeting = async {
        let hello = shared.hello(purpose, session).encode();
        connection.write(Kind::Hello, &hello).await?;
        connection.read_hello().await
    };
    let answer = timeout(limit, greeting).await.map_err(|_| LinkError::Silent(limit))??;
    if answer.cluster != shared.config.cluster {
        return Err(LinkError::Refused(Refusal::OtherCluster));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests;
