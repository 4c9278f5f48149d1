//! The daemon: start, the loop over what the network tells, orderly stop.
//!
//! It joins the parts and decides nothing: who is a member is the cluster map's affair, what a
//! folder does is its engine's. Called by `daemon`, `up`, `join --run`, and so by `demo`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use engine::cluster_map::{Fact, Outcome, Profile};
use engine::dot::NodeId;
use engine::message::{FolderId, Message};
use tokio::signal::unix::{signal, Signal, SignalKind};
use tokio::sync::mpsc;

use crate::address;
use crate::config::{Config, ConfigError, Http};
use crate::control::{self, ControlError, Server};
use crate::folder::intake::Heard;
use crate::home::{Home, HomeError, HomeLock};
use crate::http::{HttpError, HttpServer, CONNECTION_LIMIT};
use crate::membership::{Members, MembershipError};
use crate::net::limits::Timing;
use crate::net::{
    Ears, Lane, Link, Net, NetConfig, NetError, NetEvent, NetHandle, PeerAddress, SendError,
};
use crate::payload::{self, Payload};

mod api;
mod conflicts;
mod folders;
mod policy;
mod reload;
mod show;
mod standing;
mod told;
mod verify;
mod wait;

use folders::{Folders, Talk};

/// Network events waiting for the loop; while it is full, peers are not read.
const EVENTS_MAX: usize = 32;
/// Folders that could not be opened are tried again this often.
const REOPEN_EVERY: Duration = Duration::from_secs(5);

/// Whether the home is still there is looked at this often.
const HOME_EVERY: Duration = Duration::from_secs(2);

/// Why the daemon cannot run, or ended. Nothing was changed but what is said.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// This node's membership.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// Its settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The network.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The health page.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The home went away.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The signals.
    #[error("cannot catch signals: {0}; nothing was changed")]
    Signals(std::io::Error),
    /// The runtime.
    #[error("cannot start the daemon's threads: {0}; nothing was changed")]
    Runtime(std::io::Error),
}

/// What ends the daemon in order, or brings it in line with its settings. Caught before anything is
/// opened: by default all of them end it as a kill does.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    fn catch() -> Result<Signals, DaemonError> {
        let catch = |kind| signal(kind).map_err(DaemonError::Signals);
        Ok(Signals {
            term: catch(SignalKind::terminate())?,
            int: catch(SignalKind::interrupt())?,
            hup: catch(SignalKind::hangup())?,
        })
    }
}

/// What is known of a peer's session.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The session and its other end, while it is up.
    pub up: Option<(Link, SocketAddr)>,
    /// Why it ended last.
    pub reason: Option<String>,
    /// When it ended last.
    pub lost_at: Option<Instant>,
}

/// What all parts of the daemon share.
pub struct Daemon {
    home: Home,
    members: Arc<Members>,
    net: NetHandle,
    config: Mutex<Config>,
    folders: Folders,
    sessions: Mutex<BTreeMap<NodeId, Session>>,
    verifying: verify::Desk,
    standing: standing::Desk,
    /// Held by whoever opens or closes folders or changes the settings.
    opening: Mutex<()>,
    told: Mutex<told::Told>,
    started: Instant,
    http: Option<SocketAddr>,
    stop: tokio::sync::watch::Sender<bool>,
}

/// Runs a node until it is told to stop (SIGTERM, SIGINT, or the control socket). `ready` is called
/// once the control socket serves.
///
/// # Errors
/// What is missing, in use or damaged, and what to do.
pub fn run(home: &Home, lock: HomeLock, ready: impl FnOnce() + Send) -> Result<(), DaemonError> {
    disk::linux::ignore_sigio();
    disk::linux::raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(DaemonError::Runtime)?;
    runtime.block_on(serve(home, &lock, ready))
}

async fn serve(
    home: &Home,
    lock: &HomeLock,
    ready: impl FnOnce() + Send,
) -> Result<(), DaemonError> {
    let signals = Signals::catch()?;
    let config = Config::read(&home.config())?;
    let members = Arc::new(Members::open(home)?);
    let (control, events) = mpsc::channel(EVENTS_MAX);
    let (data, contents) = mpsc::channel(EVENTS_MAX);
    let net_config = NetConfig {
        identity: members.identity().clone(),
        cluster: members.with(|map| map.cluster().0),
        listen: config.listen,
        name: config.name.clone(),
        timing: Timing::default(),
    };
    let net = Net::start(net_config, members.clone(), Ears { control, data }).await?;
    let http = match config.http {
        Http::Off => None,
        Http::On(address) => Some(HttpServer::bind(address, CONNECTION_LIMIT).await?),
    };
    let server = Server::bind(home)?;
    let daemon = Arc::new(Daemon {
        home: home.clone(),
        members,
        net,
        config: Mutex::new(config),
        folders: Folders::default(),
        sessions: Mutex::default(),
        verifying: verify::Desk::default(),
        standing: standing::Desk::default(),
        opening: Mutex::default(),
        told: Mutex::default(),
        started: Instant::now(),
        http: http.as_ref().map(HttpServer::address),
        stop: tokio::sync::watch::Sender::new(false),
    });
    daemon.introduce()?;
    if let Some(http) = http {
        let (shown, mut stopped) = (daemon.clone(), daemon.stop.subscribe());
        let health = Arc::new(move || shown.is_healthy());
        tokio::spawn(http.run(health, async move {
            drop(stopped.wait_for(|stop| *stop).await);
        }));
    }
    let opening = daemon.clone();
    // Opening reads disks; nobody is served wrongly meanwhile, only later.
    drop(tokio::task::spawn_blocking(move || opening.start_folders()).await);
    tokio::spawn(server.run(Arc::new(api::Control(daemon.clone())), control::PATIENCE));
    daemon.dial();
    ready();
    tell_service_manager(&[sd_notify::NotifyState::Ready]);
    daemon.say_hello();
    tokio::spawn(daemon.clone().take_contents(contents));
    daemon.clone().run_loop(events, lock, signals).await?;
    Ok(())
}

/// Tells systemd, where there is one.
fn tell_service_manager(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "no service manager was told");
    }
}

/// The next time that the service manager wants a sign of life; never where it wants none.
async fn watchdog_due(watchdog: Option<&mut tokio::time::Interval>) {
    match watchdog {
        Some(watchdog) => drop(watchdog.tick().await),
        None => std::future::pending().await,
    }
}

impl Daemon {
    fn config(&self) -> Config {
        self.config.lock().expect("no code panics while it holds this lock").clone()
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<NodeId, Session>> {
        self.sessions.lock().expect("no code panics while it holds this lock")
    }

    fn me(&self) -> NodeId {
        self.members.identity().node_id()
    }

    /// Says what has changed of this node's own name and addresses.
    fn introduce(&self) -> Result<(), MembershipError> {
        let config = self.config();
        let addresses = address::advertised(&config, self.net.local_address());
        let profile = Profile { name: config.name.clone(), addresses };
        let known = self.members.with(|map| map.members().get(&self.me()).cloned());
        if known.is_some_and(|member| member.profile != profile) {
            self.members.say(Fact::Profile(profile))?;
        }
        Ok(())
    }

    /// Tells the network who the members are.
    fn dial(&self) {
        let peers = self.members.with(|map| {
            let members = map.members().iter();
            let peers = members.map(|(&peer, member)| PeerAddress {
                peer,
                addresses: member.profile.addresses.clone(),
            });
            peers.collect()
        });
        self.net.set_peers(peers);
    }

    /// What the person who started it wants to know first.
    fn say_hello(&self) {
        let (config, listen) = (self.config(), self.net.local_address());
        let cluster = self.members.with(|map| map.cluster().to_string());
        let (node, folders) = (&config.name, config.folders.len());
        tracing::info!(%node, %cluster, %listen, http = %config.http, folders, "running");
    }

    async fn run_loop(
        self: Arc<Self>,
        mut events: mpsc::Receiver<NetEvent>,
        lock: &HomeLock,
        mut signals: Signals,
    ) -> Result<(), HomeError> {
        let mut changes = self.members.changes();
        let mut stopped = self.stop.subscribe();
        let mut home = tokio::time::interval(HOME_EVERY);
        let mut ended = Ok(());
        let mut reopen = tokio::time::interval(REOPEN_EVERY);
        reopen.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut watchdog = sd_notify::watchdog_enabled()
            .map(|limit| tokio::time::interval((limit / 2).max(Duration::from_millis(1))));
        loop {
            tokio::select! {
                Some(event) = events.recv() => self.hear(event).await,
                Ok(()) = changes.changed() => {
                    self.spread();
                    self.members_changed().await;
                }
                _ = signals.term.recv() => break,
                _ = signals.int.recv() => break,
                _ = signals.hup.recv() => self.in_background(|daemon| drop(daemon.reload())),
                () = watchdog_due(watchdog.as_mut()) => {
                    tell_service_manager(&[sd_notify::NotifyState::Watchdog]);
                }
                _ = stopped.wait_for(|stop| *stop) => break,
                _ = home.tick() => {
                    ended = lock.check();
                    if let Err(error) = &ended {
                        tracing::error!(%error, "the daemon ends");
                        break;
                    }
                }
                _ = reopen.tick(), if self.folders.any_stopped() => {
                    self.in_background(Daemon::reopen_folders);
                }
            }
        }
        self.end(events).await;
        ended
    }

    async fn end(self: Arc<Self>, mut events: mpsc::Receiver<NetEvent>) {
        tell_service_manager(&[sd_notify::NotifyState::Stopping]);
        self.stop.send_replace(true);
        let ending = self.clone();
        drop(tokio::task::spawn_blocking(move || ending.stop_folders()).await);
        let drain = async { while events.recv().await.is_some() {} };
        tokio::select! {
            () = self.net.shutdown() => {}
            () = drain => {}
        }
    }

    async fn hear(self: &Arc<Self>, event: NetEvent) {
        match event {
            NetEvent::Connected { link, address, .. } => {
                let peer = link.peer;
                tracing::info!(?peer, name = %self.node_name(peer), %address, "connected");
                let up = Session { up: Some((link, address)), ..Session::default() };
                self.sessions().insert(peer, up);
                self.send_map(link);
                self.connect_folders().await;
            }
            NetEvent::Disconnected { peer, reason } => {
                tracing::info!(?peer, name = %self.node_name(peer), %reason, "disconnected");
                let lost_at = Some(Instant::now());
                let down = Session { up: None, reason: Some(reason), lost_at };
                self.sessions().insert(peer, down);
                self.folders.disconnect(peer).await;
            }
            NetEvent::NotReached { peer, reason } => {
                let mut sessions = self.sessions();
                let session = sessions.entry(peer).or_default();
                if session.up.is_none() {
                    session.reason = Some(reason);
                }
            }
            NetEvent::Frame { peer, lane, payload } => self.frame(peer, lane, &payload).await,
            NetEvent::Drained { peer, lane: Lane::Control, .. } => {
                self.folders.hear_all(|| Heard::Drained(peer)).await;
            }
            NetEvent::Drained { lane: Lane::Data(_), .. } => self.folders.data_drained(),
        }
    }

    /// The loop over what data lanes bring: a folder whose disk is slow holds up this one alone.
    async fn take_contents(self: Arc<Self>, mut contents: mpsc::Receiver<NetEvent>) {
        while let Some(event) = contents.recv().await {
            self.hear(event).await;
        }
    }

    async fn frame(self: &Arc<Self>, peer: NodeId, lane: Lane, bytes: &[u8]) {
        match payload::read(bytes) {
            Some(Payload::Folder(bytes)) => match payload::message(bytes, peer) {
                Ok((folder, message)) => self.folder_message(peer, lane, folder, message).await,
                Err(_) => self.close(peer),
            },
            Some(Payload::Record(bytes)) => self.record(peer, bytes).await,
            Some(Payload::Verify(bytes)) => self.verify_message(peer, bytes),
            Some(Payload::Standing(bytes)) => self.standing_message(peer, bytes),
            None => tracing::debug!(?peer, "a peer speaks of what this version does not know"),
        }
    }

    async fn folder_message(&self, peer: NodeId, lane: Lane, id: FolderId, message: Message) {
        let Some(folder) = self.folders.get(id) else {
            if lane == Lane::Control && self.members.with(|map| map.holders(id).contains(&peer)) {
                self.folders.missed(id, peer);
            }
            return;
        };
        // A folder that has ended hears no more.
        match (lane, message) {
            (Lane::Data(_), Message::Data(pieces)) => drop(folder.data.send(pieces).await),
            (Lane::Control, message) => {
                drop(folder.heard.send(Heard::Message(peer, message)).await);
            }
            (Lane::Data(_), _) => self.close(peer),
        }
    }

    /// Takes a record of the cluster's facts; what is new is passed on to everybody else.
    async fn record(&self, from: NodeId, bytes: &[u8]) {
        match self.members.apply(bytes) {
            Ok(Outcome::Applied) => {
                self.pass_on(from, bytes);
                self.members_changed().await;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(?from, %error, "a record was not taken"),
        }
    }

    /// Members or holders may be others now.
    async fn members_changed(&self) {
        self.dial();
        self.tell_folders();
        self.connect_folders().await;
    }

    fn connected(&self) -> Vec<Link> {
        self.sessions().values().filter_map(|session| Some(session.up?.0)).collect()
    }

    /// Breaks off with a peer that does not keep to the protocol.
    fn close(&self, peer: NodeId) {
        let link = self.connected().into_iter().find(|link| link.peer == peer);
        if let Some(link) = link {
            self.net.break_off(link, "it does not keep to the protocol");
        }
    }

    /// Sends on the control lane. A peer that is not there is told when it comes back; one that
    /// cannot take it has to come back, for then it is told everything.
    fn tell(&self, link: Link, payload: Vec<u8>) {
        match self.net.send(link, Lane::Control, payload) {
            Ok(_) | Err(SendError::NotConnected) => {}
            Err(error) => {
                tracing::warn!(?link, %error, "not told; starting the session over");
                self.net.close(link);
            }
        }
    }

    /// Gives a new session all of the cluster's facts.
    fn send_map(&self, link: Link) {
        let records: Vec<Vec<u8>> =
            self.members.with(|map| map.record_bytes().map(payload::record).collect());
        for record in records {
            self.tell(link, record);
        }
    }

    /// Tells folders of connected peers that hold them too.
    async fn connect_folders(&self) {
        let connected = self.connected();
        for (id, folder) in self.folders.all() {
            let holders = self.members.with(|map| map.holders(id));
            for &link in connected.iter().filter(|link| holders.contains(&link.peer)) {
                match self.folders.connect(id, link.peer) {
                    Talk::Begins => drop(folder.heard.send(Heard::Up(link)).await),
                    Talk::GoesOn => {}
                    Talk::IsStale => self.net.close(link),
                }
            }
        }
    }

    /// Passes a fact on to everybody but who told it.
    fn pass_on(&self, from: NodeId, record: &[u8]) {
        let mut told = self.told();
        for link in self.connected().into_iter().filter(|link| link.peer != from) {
            self.tell(link, payload::record(record));
        }
        told.passed_on(record);
    }

    /// Tells everybody of facts that this node has said or granted and nobody was told of yet.
    fn spread(&self) {
        let mut told = self.told();
        let all = self.members.with(|map| map.record_bytes().map(<[u8]>::to_vec).collect());
        let news = told.news(all);
        for link in self.connected() {
            news.iter().for_each(|record| self.tell(link, payload::record(record)));
        }
    }

    /// What every connected peer has been told; held while it is being told more.
    fn told(&self) -> MutexGuard<'_, told::Told> {
        self.told.lock().expect("no code panics while it holds this lock")
    }

    /// The roots of all folders configured here.
    fn served(&self) -> Vec<PathBuf> {
        self.config().folders.into_iter().map(|folder| folder.path).collect()
    }
}
