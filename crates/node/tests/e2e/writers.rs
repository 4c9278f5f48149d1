//! Users who go on writing while daemons are killed, and the account of every byte they wrote.
//!
//! Each node has a writer in a thread of its own. Most of the time it works on files that are its
//! alone: new ones, edits, saves by rename, deletes. At other times it adds a line to a file that
//! all writers add to at once. Called by the trials.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::grow::Random;
use crate::lab::{until, Outcome};
use crate::node::Node;

/// What is listed in the place of a path when a kill came before it was written down.
const CUT_OFF: &str = "(kept when an operation was cut off)";
/// The directory in which all write.
const SHARED: &str = "shared";
/// Files in it that one round writes to.
const SHARED_FILES: u64 = 6;
/// One step in so many is one in it.
const SHARED_EVERY: u64 = 6;
/// Files of each writer's own.
const OWN_FILES: u64 = 40;
/// The pace of a user in a hurry: all steps of a round at once would be over before the first kill.
const PACE: Duration = Duration::from_millis(2);

/// What was written.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// Of the writer's own paths: the last content of each, `None` since it was deleted.
    own: BTreeMap<String, Option<String>>,
    /// Of the shared paths: every line.
    lines: BTreeSet<String>,
}

/// A user at work.
pub struct Writer {
    thread: JoinHandle<Outcome<Written>>,
    is_over: Arc<AtomicBool>,
    steps: Arc<AtomicU64>,
}

impl Writer {
    /// Goes on from `written` until it is told to stop. `round` names this round's shared files.
    pub fn start(node: &Node, round: u64, seed: u64, written: Written) -> Writer {
        let (is_over, steps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut user = User {
            tree: node.tree.clone(),
            name: node.name.clone(),
            round,
            random: Random::new(seed),
            written,
        };
        let (told, counted) = (is_over.clone(), steps.clone());
        let thread = std::thread::spawn(move || {
            fs::create_dir_all(user.tree.join(user.own()))?;
            while !told.load(Ordering::Relaxed) {
                user.step()?;
                counted.fetch_add(1, Ordering::Relaxed);
                std::thread::park_timeout(PACE);
            }
            Ok(user.written)
        });
        Writer { thread, is_over, steps }
    }

    /// Until it has done so many steps more.
    pub fn go_on(&self, steps: u64) -> Outcome {
        let wanted = self.steps.load(Ordering::Relaxed) + steps;
        until("a writer goes on", || {
            let is_there = self.steps.load(Ordering::Relaxed) >= wanted;
            // A writer that has failed says why when it is stopped.
            Ok((is_there || self.thread.is_finished()).then_some(()))
        })
    }

    /// Ends it: all it has written.
    pub fn stop(self) -> Outcome<Written> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "a writer panicked")?
    }
}

struct User {
    tree: PathBuf,
    name: String,
    round: u64,
    random: Random,
    written: Written,
}

impl User {
    /// The directory that is this user's alone.
    fn own(&self) -> String {
        own_of(&self.name)
    }

    fn step(&mut self) -> Outcome {
        match self.random.below(SHARED_EVERY) {
            0 => self.add_line(),
            _ => self.save(),
        }
    }

    /// One line, in one write, to what everybody writes to: what it replaces is not taken away by
    /// this user, so it must be somewhere for ever.
    fn add_line(&mut self) -> Outcome {
        let path = format!("{SHARED}/{}-{}", self.round, self.random.below(SHARED_FILES));
        let rest = "x".repeat(self.random.below(400) as usize);
        let line = format!("line of {} in {path} {:016x} {rest}.\n", self.name, self.random.next());
        let at = self.tree.join(&path);
        fs::create_dir_all(self.tree.join(SHARED))?;
        let mut file = File::options().append(true).create(true).open(at)?;
        file.write_all(line.as_bytes())?;
        self.written.lines.insert(line);
        Ok(())
    }

    fn save(&mut self) -> Outcome {
        let name = format!("{}/{}", self.own(), self.random.below(OWN_FILES));
        let path = self.tree.join(&name);
        let token = format!("token {name} {}\n", self.random.next());
        // Of many sizes, so that a torn file cannot look whole.
        let most = if self.random.below(10) == 0 { 2000 } else { 100 };
        let body = token.repeat(1 + self.random.below(most) as usize);
        match self.random.below(4) {
            0 if path.exists() => {
                fs::remove_file(&path)?;
                self.written.own.insert(name, None);
                return Ok(());
            }
            1 => {
                let fresh = self.tree.join(self.own()).join(".saving");
                fs::write(&fresh, &body)?;
                fs::rename(&fresh, &path)?;
            }
            _ => fs::write(&path, &body)?,
        }
        self.written.own.insert(name, Some(body));
        Ok(())
    }
}

fn own_of(name: &str) -> String {
    format!("of-{name}")
}

/// Every file of the writer's own is as it was left, and nothing else is there.
pub fn check_own(node: &Node, writer: &str, written: &Written) -> Outcome {
    let at = &node.tree;
    for (name, body) in &written.own {
        let found = fs::read_to_string(at.join(name)).ok();
        if found.as_ref() != body.as_ref() {
            let (want, have) = (body.as_ref().map(String::len), found.map(|text| text.len()));
            return Err(format!("{}/{name}: {have:?} bytes, not {want:?}", at.display()).into());
        }
    }
    for entry in fs::read_dir(at.join(own_of(writer)))? {
        let name = format!("{}/{}", own_of(writer), entry?.file_name().to_string_lossy());
        if written.own.get(&name).is_none_or(Option::is_none) {
            return Err(
                format!("{}/{name}: nobody wrote it, or it was deleted", at.display()).into()
            );
        }
    }
    Ok(())
}

/// Every line is in the tree or in the conflict store; no file has one that is torn, belongs
/// elsewhere, or is there twice; no line is in two files of the tree.
pub fn check_shared(node: &Node, written: &[Written]) -> Outcome {
    let lines: BTreeSet<&str> =
        written.iter().flat_map(|one| &one.lines).map(String::as_str).collect();
    let mut in_tree = BTreeSet::new();
    for entry in fs::read_dir(node.tree.join(SHARED))? {
        let entry = entry?;
        let path = format!("{SHARED}/{}", entry.file_name().to_string_lossy());
        let text = fs::read_to_string(entry.path())?;
        for line in whole_lines(&path, &text, &lines)? {
            if !in_tree.insert(line) {
                return Err(format!("{}: {path}: also in another file: {line}", node.name).into());
            }
        }
    }
    let mut lost: BTreeSet<&str> =
        lines.iter().filter(|line| !in_tree.contains(**line)).copied().collect();
    for (path, text) in losers(node)? {
        for line in whole_lines(&path, &text, &lines)? {
            lost.remove(line);
        }
    }
    match lost.first() {
        None => Ok(()),
        Some(first) => {
            let (count, all) = (lost.len(), lines.len());
            Err(format!("{}: {count} of {all} lines are lost, like {first}", node.name).into())
        }
    }
}

/// The known lines that a file consists of.
fn whole_lines<'a>(path: &str, text: &str, known: &BTreeSet<&'a str>) -> Outcome<Vec<&'a str>> {
    // Of two files that were made at once under one name, one is shown with a suffix.
    let name = path.split('~').next().unwrap_or(path);
    let mut found = BTreeSet::new();
    for line in text.split_inclusive('\n') {
        let Some(line) = known.get(line) else {
            return Err(format!("{path}: nobody wrote {line:?}, or it is torn").into());
        };
        if name != CUT_OFF && !line.contains(&format!(" in {name} ")) {
            return Err(format!("{path}: belongs elsewhere: {line}").into());
        }
        if !found.insert(*line) {
            return Err(format!("{path}: is there twice: {line}").into());
        }
    }
    Ok(found.into_iter().collect())
}

/// What the conflict store has, by path. Only shared files can lose.
fn losers(node: &Node) -> Outcome<Vec<(String, String)>> {
    let mut all = Vec::new();
    for conflict in node.conflicts()? {
        let text = node.ok(&["conflicts", "show", &conflict.id])?;
        let is_shared = conflict.path.starts_with(SHARED) || conflict.path == CUT_OFF;
        if !is_shared || text.starts_with("token") {
            return Err(format!("{}: had one writer: {conflict:?}", node.name).into());
        }
        all.push((conflict.path, text));
    }
    Ok(all)
}
