//! Who joins: when it looks at its own disk, and what it had before.

use super::{installed, meet, node, operations, present, said, scans, Side};
use crate::content::Digest;
use crate::engine::Input;
use crate::entry::{Data, Kind, Rank, Timestamp, ROOT};
use crate::index::{Index, MemIndex, Phase, ROOT_SLOT};
use crate::message::Message;
use crate::observe::{self, Batch, Found, Observation, Present, Source};
use crate::path::RelPath;
use crate::plan::Outcome;
use crate::view;

// Story: three nodes with the same tree joined at once. Those who joined took the end of each
// other's walks, in which nothing was, for what the cluster holds: each minted the whole tree of
// its own, and the index of everything went over the wire two times too often.
#[test]
fn who_joins_looks_at_its_disk_when_a_member_has_told_it_everything() {
    let mut founder = Side::first(1, Phase::Importing);
    let mut joins = Side::first(2, Phase::Joining);
    let mut too = Side::first(3, Phase::Joining);
    meet(&mut founder, &mut joins);
    meet(&mut joins, &mut too);
    assert!(!scans(&joins) && !scans(&too), "the founder has not looked at its own disk yet");
    let news = said(founder.turn([Input::Scanned(true)]));
    joins.hear(1, news);
    assert!(scans(&joins) && !scans(&too), "only one has heard a member");
    let news = said(joins.turn([Input::Scanned(true)]));
    too.hear(2, news);
    assert!(scans(&too), "and who has become a member is one to the next");
}

// Story (simulator, seed 26700): who joined had a file of its own where a member's was just being
// put. The look at it said nothing while that went on, and by the time of the next the scan had
// ended: it counted as written by a member, and won over what really was.
#[test]
fn what_is_looked_at_again_after_the_scan_of_who_joins_was_there_before() {
    let mut joins = looked_at_again(present(Kind::File, 8, Some(b'2')));
    assert_eq!(rank(&joins, "c"), Some(Rank::Import));
    joins.look(Source::Live, "e", Found::Present(present(Kind::File, 7, Some(b'3'))));
    assert_eq!(rank(&joins, "e"), Some(Rank::Write), "what its user does from now on");
}

// Story (simulator, seed 144 with volumes=300): as above, but the node was a member by then when
// its user made the file there. It counted as what was there before, and lost to what really was.
#[test]
fn what_is_written_where_is_to_be_looked_again_is_a_members() {
    let mut new = present(Kind::File, 8, Some(b'2'));
    new.attributes.mtime = Timestamp { seconds: 1_800_000_001, nanos: 0 };
    assert_eq!(rank(&looked_at_again(new), "c"), Some(Rank::Write));
}

/// Who has joined with a file of its own where a member's was just being put.
fn looked_at_again(own: Present) -> Side {
    let (mut founder, mut joins) = (Side::new(1), Side::first(2, Phase::Joining));
    founder.write("c", b'1');
    meet(&mut founder, &mut joins);
    let staged = Input::Staged(vec![Digest([b'1'; 32])]);
    let (operation, _) = installed(&operations(joins.turn([staged])));
    joins.look(Source::Scan, "c", Found::Present(own.clone()));
    joins.turn([Input::Scanned(true)]);
    assert_eq!(joins.engine.meta().phase, Phase::Member);
    joins.turn([Input::Applied(vec![(operation, Outcome::NotAsExpected)])]);
    joins.look(Source::Live, "c", Found::Present(own));
    joins
}

/// What the content is worth that the disk was seen to hold there.
fn rank(side: &Side, path: &str) -> Option<Rank> {
    let path = RelPath::parse(path.as_bytes()).expect("a path");
    let row = observe::row_at(&side.index, &path).expect("it was looked at");
    let entry = side.index.entry(row.entry).expect("it is known").entry;
    let mut all = entry.data.versions().iter().map(|version| &version.value);
    let own = |data: &&Data| row.content.as_ref() == Some(&data.content);
    all.find(own).map(|data| data.stamp.rank)
}

// Story (simulator, seed 352, links=60): a file could not be read when its node joined. When it
// could be, it counted as written by a member, and won over what really was. And (seed 21273) so it
// did if the node was started again in between, as is done to give it the permission.
#[test]
fn what_could_not_be_read_when_its_node_joined_was_there_before() {
    read_when_it_could_be(|joins| joins);
    read_when_it_could_be(|joins| {
        let mut joins = Side::open(joins.number, joins.index);
        joins.turn([Input::Scanned(true)]);
        joins
    });
}

fn read_when_it_could_be(meanwhile: impl Fn(Side) -> Side) {
    let mut joins = Side::first(1, Phase::Importing);
    for path in ["old", "new"] {
        joins.look(Source::Scan, path, Found::Unreadable("no permission".to_string(), None));
    }
    joins.turn([Input::Scanned(true)]);
    let mut joins = meanwhile(joins);
    joins.now.mono_ms += 3_600_000;
    joins.look(Source::Live, "old", Found::Unreadable("no permission".to_string(), None));
    let old = present(Kind::File, 7, Some(b'1'));
    let mut new = present(Kind::File, 8, Some(b'2'));
    new.attributes.mtime = Timestamp { seconds: 1_800_000_001, nanos: 0 };
    joins.look(Source::Live, "old", Found::Present(old));
    joins.look(Source::Live, "new", Found::Present(new));
    assert_eq!(rank(&joins, "old"), Some(Rank::Import));
    assert_eq!(rank(&joins, "new"), Some(Rank::Write), "its user wrote it since");
    assert_eq!(joins.index.unread(), []);
}

// Story (simulator, seed 14158): a node was cut off while it joined, for longer than deletions are
// remembered. When it was back it compared all, and that its first member had told it everything
// counted after that only: it never looked at its own disk, and what users wrote there stayed.
#[test]
fn who_joins_and_has_to_compare_looks_at_its_disk_after_that() {
    let mut founder = Side::first(1, Phase::Importing);
    let mut joins = Side::first(2, Phase::Joining);
    meet(&mut founder, &mut joins);
    let news = founder.write("f", b'1');
    joins.hear(1, news);
    for (side, other) in [(&mut founder, 2), (&mut joins, 1)] {
        side.turn([Input::PeerDown(node(other))]);
    }
    founder.turn([Input::Scanned(true)]);
    founder.look(Source::Live, "f", Found::Absent);
    let gone: Vec<_> = founder.index.entries().map(|stored| stored.entry.id).collect();
    gone.iter().filter(|id| **id != ROOT).for_each(|id| founder.index.remove_entry(*id));
    founder.engine.facts.frontier = founder.engine.facts.knowledge.clone();
    meet(&mut founder, &mut joins);
    assert!(scans(&joins));
}

#[test]
fn where_all_who_can_be_reached_are_joining_one_of_them_begins() {
    let mut sides = [1, 2].map(|number| Side::first(number, Phase::Joining));
    let [first, second] = &mut sides;
    meet(first, second);
    assert_eq!(sides.each_ref().map(scans), [true, false]);
    let [first, second] = &mut sides;
    let news = said(first.turn([Input::Scanned(true)]));
    second.hear(1, news);
    assert!(scans(second));
}

// Story (a first user): an empty directory that joined kept its own mode and owner, or gave them to
// the directory that had been shared, while all said that all was well: no scan told of the root.
#[test]
fn who_joins_takes_over_the_attributes_of_the_root() {
    let root = |mode: u16, at: u64| {
        let mut found = present(Kind::Dir, 0, None);
        found.attributes.mode = mode;
        let looks = vec![Observation { path: RelPath::root(), found: Found::Present(found) }];
        Input::Observed(at, Batch { source: Source::Scan, looks })
    };
    let mut founder = Side::first(1, Phase::Importing);
    assert!(is_new(&founder.index), "the scan tells of the root, though nobody has changed it");
    founder.turn([root(0o2770, 2), Input::Scanned(true)]);
    let mut joins = Side::first(2, Phase::Joining);
    meet(&mut founder, &mut joins);
    let effects = joins.turn([root(0o700, joins.now.mono_ms + 1), Input::Scanned(true)]);
    let said = said(effects);
    assert!(said.iter().all(|message| !matches!(message, Message::Frame(_))), "{said:?}");
    let wanted = |found: &Side| view::desired(&found.index.entry(ROOT).unwrap().entry);
    assert_eq!(wanted(&joins).unwrap().attributes.mode, 0o2770);
    assert!(joins.index.pending(ROOT).is_some(), "and is put right");
}

// Story (simulator, seed 3793 with power=60): who joined had given its root the attributes of the
// folder, and was killed before that was written down. Its first look took them over as found, and
// as durable; then the power took them back, and those from before were given to all.
#[test]
fn the_attributes_that_a_joiner_finds_on_its_root_are_volatile() {
    let root = |mode: u16, at: u64| {
        let mut found = present(Kind::Dir, 0, None);
        found.attributes.mode = mode;
        let looks = vec![Observation { path: RelPath::root(), found: Found::Present(found) }];
        Input::Observed(at, Batch { source: Source::Scan, looks })
    };
    let mut founder = Side::first(1, Phase::Importing);
    founder.turn([root(0o2770, 2), Input::Scanned(true)]);
    let mut joins = Side::first(2, Phase::Joining);
    meet(&mut founder, &mut joins);
    let mut joins = Side::open(2, joins.index);
    joins.turn([root(0o2770, joins.now.mono_ms + 1), Input::Scanned(true)]);
    let mut joins = Side::boot(2, joins.index, 2);
    joins.turn([root(0o700, joins.now.mono_ms + 1), Input::Scanned(true)]);
    let mode = view::desired(&joins.index.entry(ROOT).unwrap().entry).unwrap().attributes.mode;
    assert_eq!(mode, 0o2770, "nobody has changed it");
}

/// Whether the root's row is no proof of how the root is.
fn is_new(index: &MemIndex) -> bool {
    let row = index.seen(ROOT_SLOT).expect("the root's row");
    row.fingerprint != present(Kind::Dir, 0, None).fingerprint
}
