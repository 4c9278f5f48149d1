//! A cluster of real daemons: each with its own network namespace and its own filesystem.
//!
//! The namespaces hang on a bridge that has a namespace of its own, so nothing of the machine's
//! network is touched. Everything goes when the `Lab` goes. Called by the trials; it judges nothing
//! but that the nodes become identical.

use std::ffi::OsStr;
use std::fmt::{Debug, Write as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;

use crate::node::Node;
use crate::tree;

/// How a trial, or a step of it, ends.
pub type Outcome<T = ()> = Result<T, Failed>;

/// What trials may take for one thing that has to happen.
pub const LIMIT: Duration = Duration::from_secs(60);
/// The name of the folder in every lab.
pub const FOLDER: &str = "site";
const RETRY: Duration = Duration::from_millis(20);
const FILESYSTEM: &str = "size=2g,mode=755";
/// Large enough for a journal and small enough for memory.
const IMAGE_BYTES: u64 = 64 << 20;

static LABS: AtomicU32 = AtomicU32::new(0);

/// Asks again and again until there is an answer.
///
/// # Errors
/// There is none in time: named by `what`.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Outcome<Option<T>>) -> Outcome<T> {
    let limit = Instant::now() + LIMIT;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() > limit {
            return Err(format!("did not happen in {} s: {what}", LIMIT.as_secs()).into());
        }
        // The pace of asking, not a synchronisation: the answer alone ends the loop.
        std::thread::park_timeout(RETRY);
    }
}

/// Runs a tool of the system.
///
/// # Errors
/// It fails: with what it said.
pub fn tool(line: &[impl AsRef<OsStr> + Debug]) -> Outcome<String> {
    let output = Command::new(&line[0]).args(&line[1..]).output();
    let output = output.map_err(|error| format!("{:?}: {error}", line[0]))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{line:?}: {}", said.trim_end()).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Like [`tool`], with the arguments in one line.
pub fn tools(line: &str) -> Outcome<String> {
    tool(&line.split(' ').collect::<Vec<_>>())
}

/// A filesystem that holds one node's tree and not its home.
pub struct Volume {
    /// Where it is mounted.
    pub top: PathBuf,
    /// The file it lies in, if it does not lie in memory.
    pub image: PathBuf,
}

impl Volume {
    /// Mounts the image.
    pub fn mount_image(&self) -> Outcome {
        tool(&["mount", "-o", "loop", &self.image.to_string_lossy(), &self.top.to_string_lossy()])?;
        Ok(())
    }

    /// Unmounts it; the lab still knows of it.
    pub fn unmount(&self) -> Outcome {
        tool(&["umount", &self.top.to_string_lossy()])?;
        Ok(())
    }

    /// Mounts it again with other options, without anybody closing anything.
    pub fn remount(&self, options: &str) -> Outcome {
        let options = format!("remount,{options}");
        tool(&["mount", "-o", &options, &self.top.to_string_lossy()])?;
        Ok(())
    }

    /// Makes an ext4 believe that it is damaged.
    pub fn break_down(&self) -> Outcome {
        let device = tool(&["findmnt", "-no", "SOURCE", &self.top.to_string_lossy()])?;
        let device = device.trim().trim_start_matches("/dev/");
        let trigger = format!("/sys/fs/ext4/{device}/trigger_fs_error");
        Ok(fs::write(trigger, b"a trial of syncline")?)
    }

    /// Takes that belief away again, while it is not mounted.
    pub fn mend(&self) -> Outcome {
        let checked = Command::new("e2fsck").args(["-f", "-p"]).arg(&self.image).output()?;
        // 1: mended.
        match checked.status.code() {
            Some(0 | 1) => Ok(()),
            code => Err(format!("e2fsck: {code:?} {checked:?}").into()),
        }
    }
}

/// What a trial cannot do without, as a reason why not.
pub type Lack = Option<String>;

/// Why there can be no machines with a network between them.
pub fn lack() -> Lack {
    let space = format!("syncline-e2e-try-{}", std::process::id());
    for program in ["nsenter", "getfattr", "setfattr", "setfacl", "timeout", "mount", "unshare"] {
        if let Err(error) = tool(&[program, "--version"]) {
            return Some(format!("needs {program}: {}", error.message().unwrap_or("it fails")));
        }
    }
    let made = tools(&format!("ip netns add {space}"));
    match made.and_then(|_| tools(&format!("ip netns del {space}"))) {
        Ok(_) => None,
        Err(error) => {
            let why = error.message().unwrap_or("it fails");
            Some(format!("needs root and network namespaces: {why}"))
        }
    }
}

/// Why there can be no filesystem in a file.
pub fn no_images() -> Lack {
    let needed = ["mkfs.ext4 -V", "losetup --version", "fsfreeze --version", "findmnt --version"];
    needed.iter().find_map(|line| {
        let error = tools(line).err()?;
        Some(format!("needs {line}: {}", error.message().unwrap_or("it fails")))
    })
}

/// Nodes, their network, their filesystems.
pub struct Lab {
    /// In the order in which they join.
    pub nodes: Vec<Node>,
    directory: PathBuf,
    switch: String,
    namespaces: Vec<String>,
    mounts: Vec<PathBuf>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.kill();
        }
        // What cannot be removed is named, and the rest goes anyway.
        for mount in &self.mounts {
            report(tool(&["umount", "-l", &mount.to_string_lossy()]));
        }
        for namespace in &self.namespaces {
            report(tools(&format!("ip netns del {namespace}")));
        }
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            eprintln!("e2e: cannot remove {}: {error}", self.directory.display());
        }
    }
}

fn report(done: Outcome<String>) {
    if let Err(error) = done {
        eprintln!("e2e: cannot clean up: {}", error.message().unwrap_or("?"));
    }
}

impl Lab {
    /// Machines with a network between them and nothing on them.
    pub fn machines(names: &[&str]) -> Outcome<Lab> {
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let tag = format!("syncline-e2e-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(&tag);
        let switch = format!("{tag}-switch");
        fs::create_dir(&directory)?;
        let mut lab = Lab {
            nodes: Vec::new(),
            directory,
            switch: switch.clone(),
            namespaces: Vec::new(),
            mounts: Vec::new(),
        };
        lab.namespace(&switch)?;
        tools(&format!("ip -n {switch} link add bridge type bridge"))?;
        tools(&format!("ip -n {switch} link set bridge up"))?;
        for (at, name) in names.iter().enumerate() {
            lab.machine(&tag, at, name)?;
        }
        Ok(lab)
    }

    fn namespace(&mut self, name: &str) -> Outcome {
        tools(&format!("ip netns add {name}"))?;
        self.namespaces.push(name.to_owned());
        Ok(())
    }

    fn machine(&mut self, tag: &str, at: usize, name: &str) -> Outcome {
        let (space, switch) = (format!("{tag}-{name}"), self.switch.clone());
        let address = format!("10.77.0.{}", at + 1);
        self.namespace(&space)?;
        for line in [
            format!("ip link add port{at} netns {switch} type veth peer name eth netns {space}"),
            format!("ip -n {switch} link set port{at} master bridge up"),
            format!("ip -n {space} addr add {address}/24 dev eth"),
            format!("ip -n {space} link set eth up"),
            format!("ip -n {space} link set lo up"),
        ] {
            tools(&line)?;
        }
        let place = self.directory.join(name);
        fs::create_dir(&place)?;
        self.mount(&place)?;
        self.nodes.push(Node::new(name, &place, &space, &address)?);
        Ok(())
    }

    /// Puts a new empty filesystem there.
    pub fn mount(&mut self, place: &Path) -> Outcome {
        self.mount_tmpfs(place, FILESYSTEM)
    }

    fn mount_tmpfs(&mut self, place: &Path, options: &str) -> Outcome {
        let path = place.to_string_lossy();
        tool(&["mount", "-t", "tmpfs", "-o", options, "syncline-e2e", &path])?;
        self.mounts.insert(0, place.to_owned());
        Ok(())
    }

    /// Gives a node's tree a small filesystem of its own, in memory. The home stays where it was.
    pub fn small_volume(&mut self, at: usize, size: &str) -> Outcome<Volume> {
        let volume = self.volume(at)?;
        self.mount_tmpfs(&volume.top, &format!("size={size},mode=755"))?;
        self.tree_on(at, &volume)?;
        Ok(volume)
    }

    /// Puts a node's home on a small filesystem of its own, in memory.
    pub fn small_home(&mut self, at: usize, size: &str) -> Outcome<Volume> {
        let node = &self.nodes[at];
        let volume = Volume { top: node.home.clone(), image: node.place.join("no-image") };
        fs::create_dir(&volume.top)?;
        self.mount_tmpfs(&volume.top, &format!("size={size},mode=700"))?;
        Ok(volume)
    }

    /// Gives a node's tree an ext4 of its own, in an image file.
    pub fn image_volume(&mut self, at: usize) -> Outcome<Volume> {
        self.image_volume_of(at, IMAGE_BYTES)
    }

    /// The same, of another size.
    pub fn image_volume_of(&mut self, at: usize, bytes: u64) -> Outcome<Volume> {
        let volume = self.volume(at)?;
        let image = volume.image.to_string_lossy();
        fs::File::create(&volume.image)?.set_len(bytes)?;
        tool(&["mkfs.ext4", "-q", "-F", &image])?;
        volume.mount_image()?;
        self.mounts.insert(0, volume.top.clone());
        self.tree_on(at, &volume)?;
        Ok(volume)
    }

    fn volume(&self, at: usize) -> Outcome<Volume> {
        let place = &self.nodes[at].place;
        let volume = Volume { top: place.join("volume"), image: place.join("volume.image") };
        fs::create_dir(&volume.top)?;
        Ok(volume)
    }

    fn tree_on(&mut self, at: usize, volume: &Volume) -> Outcome {
        let node = &mut self.nodes[at];
        node.tree = volume.top.join("tree");
        Ok(fs::create_dir(&node.tree)?)
    }

    /// It has been unmounted already.
    pub fn unmounted(&mut self, place: &Path) {
        self.mounts.retain(|mount| mount != place);
    }

    /// Three nodes that hold the folder and are connected, all with whatever the first is given.
    pub fn three() -> Outcome<Lab> {
        let mut lab = Lab::machines(&["a", "b", "c"])?;
        lab.found()?;
        lab.join_others()?;
        Ok(lab)
    }

    /// The first node founds the cluster and shares its tree.
    pub fn found(&mut self) -> Outcome {
        let first = &mut self.nodes[0];
        first.init()?;
        first.start()?;
        first.ok(&["folder", "add", FOLDER, &first.tree_text()])?;
        Ok(())
    }

    /// All others come in by one code and hold the folder.
    pub fn join_others(&mut self) -> Outcome {
        let uses = (self.nodes.len() - 1).to_string();
        let code = self.nodes[0].invite(&["--uses", &uses])?;
        for node in &mut self.nodes[1..] {
            node.join(&code)?;
            node.start()?;
        }
        self.meet()
    }

    /// Until every running node is connected to every other running one.
    pub fn meet(&self) -> Outcome {
        let running = self.nodes.iter().filter(|node| node.is_running()).count();
        for node in self.nodes.iter().filter(|node| node.is_running()) {
            until(&format!("{} is connected to {} others", node.name, running - 1), || {
                Ok((node.connected()? + 1 >= running).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Waits on every node and compares all trees, without a second look.
    pub fn settle(&self, what: &str) -> Outcome {
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        self.settle_after(what, &all)
    }

    /// Waits on the nodes that changed something and compares all trees, without a second look.
    pub fn settle_after(&self, what: &str, changed: &[usize]) -> Outcome {
        for &at in changed {
            let node = &self.nodes[at];
            node.ok(&["wait", FOLDER, "--all", "--timeout", "60s"])
                .map_err(|error| self.trouble(what, error.message().unwrap_or("?")))?;
        }
        self.compare(what)
    }

    /// All trees are the same now.
    pub fn compare(&self, what: &str) -> Outcome {
        let first = tree::read(&self.nodes[0].tree)?;
        for node in &self.nodes[1..] {
            let found = tree::differences(&first, &tree::read(&node.tree)?);
            if !found.is_empty() {
                let mut words = format!("{} differs from a in {} place(s)", node.name, found.len());
                for line in found.iter().take(12) {
                    write!(words, "\n    {line}")?;
                }
                return Err(self.trouble(what, &words));
            }
        }
        Ok(())
    }

    /// A failure with the end of every node's log, and everything copied to where `E2E_KEEP` says.
    pub fn trouble(&self, what: &str, words: &str) -> Failed {
        let mut text = format!("after \"{what}\": {words}");
        for node in &self.nodes {
            let conflicts = node.conflicts().unwrap_or_default();
            text.push_str(&format!("\n  {} lists {} conflict(s)", node.name, conflicts.len()));
            for one in conflicts.iter().take(3) {
                text.push_str(&format!("\n    {one:?}"));
            }
            for one in node.folder().map(|folder| folder.waiting).unwrap_or_default() {
                text.push_str(&format!("\n    {} waits: {}", one.path, one.why));
            }
            text.push_str(&format!("\n  log of {}:\n    {}", node.name, node.log_end()));
            if let Some(keep) = std::env::var_os("E2E_KEEP") {
                node.keep(Path::new(&keep));
            }
        }
        text.into()
    }

    /// Bytes that came out of and went into a node's port so far.
    pub fn wire_bytes(&self, at: usize) -> Outcome<u64> {
        let shown = tools(&format!("ip -n {} -s -j link show port{at}", self.switch))?;
        let shown: serde_json::Value = serde_json::from_str(&shown)?;
        let bytes = |way: &str| shown[0]["stats64"][way]["bytes"].as_u64();
        match (bytes("rx"), bytes("tx")) {
            (Some(received), Some(sent)) => Ok(received + sent),
            _ => Err(format!("no counters in {shown}").into()),
        }
    }

    /// Pulls, or puts back, the cable of a node.
    pub fn cable(&self, at: usize, is_in: bool) -> Outcome {
        let state = if is_in { "up" } else { "down" };
        tools(&format!("ip -n {} link set port{at} {state}", self.switch))?;
        Ok(())
    }

    /// Takes away, or gives back, the route between two nodes that both reach the third.
    pub fn route(&self, one: usize, other: usize, is_there: bool) -> Outcome {
        let verb = if is_there { "del" } else { "add" };
        for (from, to) in [(one, other), (other, one)] {
            let (from, to) = (&self.nodes[from], &self.nodes[to]);
            tools(&format!("ip -n {} route {verb} blackhole {}/32", from.space, to.address))?;
        }
        Ok(())
    }
}
