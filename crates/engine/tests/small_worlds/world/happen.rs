//! What happens to a node, and what it does about it: looks, operations, contents read.

use super::super::disk::handle;
use super::super::hands;
use super::super::users::Hint;
use super::{node_id, Event, World};
use engine::content::Digest;
use engine::engine::{Input, Origin};
use engine::exchange::Outgoing;
use engine::message::{Message, Want};
use engine::observe::{Batch, Found, Source};
use engine::path::RelPath;
use engine::plan::{Act, Expected, Operation, Outcome};

impl World {
    pub(super) fn happen(&mut self, node: usize, event: Event) {
        match event {
            Event::Input(input) => {
                self.tell_seen(node, &input);
                self.input(node, input);
            }
            Event::Look(paths) => {
                self.nodes[node].asked.extend(paths);
                if !self.eyes_are_busy(node, Event::Look(Vec::new())) {
                    let asked = std::mem::take(&mut self.nodes[node].asked);
                    self.look(node, &asked.into_iter().collect::<Vec<_>>());
                }
            }
            Event::LookInside(paths) => {
                if self.eyes_are_busy(node, Event::LookInside(paths.clone())) {
                    return;
                }
                let here = &self.nodes[node];
                let paths = hands::inside(&here.disk, &here.index, &paths);
                self.look(node, &paths);
            }
            Event::Hints => {
                if self.eyes_are_busy(node, Event::Hints) {
                    return;
                }
                let paths = self.hinted(node);
                self.look(node, &paths);
            }
            Event::Scan => {
                let here = &self.nodes[node];
                let looks = hands::everything(&here.disk, &here.index);
                self.observed(node, looks, Source::Scan);
                let at_ms = self.now_ms + self.delay_ms as u64;
                self.post(at_ms, node, Event::Input(Input::Scanned(true)));
            }
            Event::Apply(operation) => self.apply(node, operation),
            Event::Copy(digest, origin) => self.copy(node, digest, &origin),
            Event::Serve(peer, wants) => self.serve(node, peer, wants),
            Event::Bytes(from, epoch, digests) => {
                if self.link(from, node).epoch == epoch && !digests.is_empty() {
                    self.nodes[node].disk.staged.extend(digests.iter().copied());
                    self.input(node, Input::Staged(digests));
                }
            }
            Event::Tick => {
                if self.nodes[node].tick_at_ms.is_some_and(|at_ms| at_ms <= self.now_ms) {
                    self.nodes[node].tick_at_ms = None;
                    self.handle(node, Input::Tick);
                    self.turn(node);
                }
            }
            Event::Hear(from, epoch, message) => {
                if self.link(from, node).epoch == epoch {
                    self.tell(|| {
                        format!("{node} hears of {from}: {:.160}", format!("{message:?}"))
                    });
                    self.input(node, Input::Message(node_id(from), message));
                }
            }
        }
    }

    fn copy(&mut self, node: usize, digest: Digest, origin: &Origin) {
        let came = self.read(node, &digest, origin);
        if came {
            self.nodes[node].disk.staged.insert(digest);
        }
        let digests = vec![digest];
        let input = if came { Input::Staged(digests) } else { Input::NotHere(digests) };
        self.later(node, Event::Input(input));
    }

    fn serve(&mut self, node: usize, peer: usize, wants: Vec<(Want, Origin)>) {
        let (mut found, mut gone) = (Vec::new(), Vec::new());
        for (want, origin) in wants {
            let there = self.read(node, &want.digest, &origin);
            if there { &mut found } else { &mut gone }.push(want.digest);
        }
        self.send_bytes(node, peer, found);
        if !gone.is_empty() {
            let (peer, message) = (node_id(peer), Message::Gone(gone));
            self.send(node, Outgoing { peer, message, inline: Vec::new() });
        }
    }

    /// Whether the node is looking at something; what is to be looked at comes after that.
    fn eyes_are_busy(&mut self, node: usize, next: Event) -> bool {
        let free_ms = self.nodes[node].eyes_free_ms;
        let busy = self.steady && free_ms >= self.now_ms;
        if busy {
            self.post(free_ms + 1, node, next);
        }
        busy
    }

    fn tell_seen(&mut self, node: usize, input: &Input) {
        let Input::Observed(began_ms, batch) = input else { return };
        self.tell(|| {
            let seen = batch.looks.iter().map(|look| match &look.found {
                Found::Present(found) => {
                    format!("/{} {:?} {:?}", look.path, found.fingerprint.handle, found.content)
                }
                other => format!("/{} {other:?}", look.path),
            });
            format!("{node} saw at {began_ms}: {}", seen.collect::<Vec<_>>().join(", "))
        });
    }

    fn look(&mut self, node: usize, paths: &[RelPath]) {
        let here = &self.nodes[node];
        let looks = hands::names(&here.disk, &here.index, paths);
        self.observed(node, looks, Source::Live);
    }

    fn observed(&mut self, node: usize, looks: Vec<engine::observe::Observation>, source: Source) {
        if looks.is_empty() {
            return;
        }
        let began_ms = self.now_ms;
        self.tell(|| {
            let paths: Vec<_> = looks.iter().map(|look| &look.path).collect();
            format!("{node} looks ({source:?}) at {paths:?}")
        });
        let delay = self.delay();
        let here = &mut self.nodes[node];
        here.eyes_free_ms = here.eyes_free_ms.max(self.now_ms + delay);
        let (at_ms, batch) = (here.eyes_free_ms, Batch { source, looks });
        self.post(at_ms, node, Event::Input(Input::Observed(began_ms, batch)));
    }

    /// Whether a content can be read where it is said to lie.
    fn read(&mut self, node: usize, digest: &Digest, origin: &Origin) -> bool {
        let disk = &self.nodes[node].disk;
        match origin {
            Origin::Tree(path, fingerprint) => {
                let there = disk.resolve(path).map(|inode| disk.present(inode));
                let same = there.is_some_and(|there| there.fingerprint == *fingerprint);
                if !same {
                    let paths = vec![path.clone()];
                    self.later(node, Event::Look(paths));
                }
                same
            }
            Origin::Kept => disk.kept.contains(digest),
            Origin::Staged => disk.staged.contains(digest),
            Origin::Trash => disk.trash.contains(digest) || disk.kept.contains(digest),
        }
    }

    fn apply(&mut self, node: usize, operation: Operation) {
        let outcome = if self.random.chance(self.refusals) {
            Outcome::Busy(None)
        } else {
            hands::apply(&mut self.nodes[node].disk, &operation.act)
        };
        let here = &self.nodes[node];
        let gone = |row: &engine::index::SeenRow| {
            let mut handles = here.disk.things.keys().map(|inode| handle(*inode));
            !handles.any(|handle| handle == row.fingerprint.handle)
        };
        if here.index.seen_rows().any(gone) {
            let kept = here.disk.kept.iter().copied().collect::<Vec<_>>();
            kept.into_iter().for_each(|digest| self.oracle.let_go(digest));
        }
        self.tell(|| {
            let done = match &outcome {
                Outcome::Done { .. } => "done".to_string(),
                other => format!("{other:?}"),
            };
            format!("{node} {}: {done}", brief(&operation.act))
        });
        self.later(node, Event::Input(Input::Applied(vec![(operation.id, outcome)])));
    }

    /// All that the kernel's words since the last look mean.
    fn hinted(&mut self, node: usize) -> Vec<RelPath> {
        let here = &mut self.nodes[node];
        let (mut paths, mut trees) = (Vec::new(), Vec::new());
        for hint in std::mem::take(&mut here.hints) {
            match hint {
                Hint::Name(path) => paths.push(path),
                Hint::Tree(path) => trees.push(path),
            }
        }
        paths.extend(hands::inside(&here.disk, &here.index, &trees));
        paths
    }
}

fn brief(act: &Act) -> String {
    let name = format!("{act:?}");
    let name = name.split([' ', '{']).next().unwrap_or_default().to_string();
    let paths: Vec<String> = act.paths().iter().map(|path| format!("/{path}")).collect();
    let content = match act {
        Act::Install { content, expected, .. } => match expected {
            Expected::Nothing => format!("{content:?}"),
            Expected::Exactly { content: old, .. } => format!("{old:?} -> {content:?}"),
        },
        Act::Remove { expected: Expected::Exactly { content, .. }, .. } => format!("{content:?}"),
        Act::Keep { digest } | Act::Release { digest, .. } => format!("{digest:?}"),
        _ => String::new(),
    };
    format!("{name} {} {content}", paths.join(" "))
}
