//! Two that write one file all the time.

use super::super::tests::{meet, node, with_a_file, Side};
use super::Strife;
use crate::content::Digest;
use crate::dot::{Dot, Incarnation};
use crate::engine::{Effect, Input, Why};
use crate::entry::EntryId;
use crate::limits::{QUIET_MS, STRIFE_FILES_MAX, STRIFE_MS, STRIFE_VERSIONS_MAX};
use crate::plan::{Act, Outcome};

const FILE: EntryId = EntryId([1; 16]);

/// The n-th that we wrote.
fn own(counter: u64) -> Dot {
    Dot { incarnation: Incarnation([1; 16]), counter }
}

/// So many of ours have met others by this time, and the file rests.
fn in_strife(now_ms: u64) -> Strife {
    let mut strife = Strife::default();
    for counter in 1..=STRIFE_VERSIONS_MAX as u64 {
        let begins = strife.met(FILE, own(counter), now_ms);
        assert_eq!(begins, counter == STRIFE_VERSIONS_MAX as u64);
    }
    strife
}

/// Without this, who came back to thirty losers of others took in one of them, and waited.
#[test]
fn one_version_of_ours_is_no_strife_however_many_it_meets() {
    let mut strife = Strife::default();
    for now_ms in 0..30 {
        assert!(!strife.met(FILE, own(1), now_ms));
    }
    assert_eq!(strife.rests_until(FILE, Some(own(1)), 30), None);
}

#[test]
fn conflicts_of_long_ago_do_not_count() {
    let mut strife = Strife::default();
    for round in 0..20 {
        assert!(!strife.met(FILE, own(round), round * STRIFE_MS / 4), "four a minute");
    }
}

#[test]
fn a_file_in_strife_rests_until_nobody_here_writes_it() {
    let last = own(STRIFE_VERSIONS_MAX as u64);
    let mut strife = in_strife(10);
    assert_eq!(strife.rests_until(FILE, Some(last), 10), Some(10 + QUIET_MS));
    assert_eq!(strife.rests_until(EntryId([2; 16]), None, 10), None, "another file");
    let now_ms = 10 + QUIET_MS;
    assert_eq!(strife.rests_until(FILE, Some(last), now_ms), None, "it is quiet");
    assert!(!strife.met(FILE, last, now_ms) && !strife.is_resting(FILE), "no new conflict");
    assert!(!strife.met(FILE, own(100), now_ms), "the same strife, which was told of");
    assert!(strife.is_resting(FILE), "and written again");
}

#[test]
fn a_file_that_is_never_quiet_rests_for_a_minute() {
    let mut strife = in_strife(0);
    let (mut now_ms, mut rounds) = (0, 0);
    while let Some(until_ms) = strife.rests_until(FILE, Some(own(100 + rounds)), now_ms) {
        (now_ms, rounds) = (until_ms, rounds + 1);
    }
    assert_eq!((now_ms, rounds), (STRIFE_MS, STRIFE_MS / QUIET_MS));
}

#[test]
fn no_more_files_are_counted_than_there_is_room_for() {
    let mut strife = Strife::default();
    for number in 0..2 * STRIFE_FILES_MAX as u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        strife.met(EntryId(id), own(1), 0);
    }
    assert_eq!(strife.files.len(), STRIFE_FILES_MAX);
    strife.met(FILE, own(1), STRIFE_MS);
    assert_eq!(strife.files.len(), 1, "what is old makes room");
}

/// A file that was counted before there was room for no more could conflict without end.
#[test]
fn a_file_that_is_counted_is_counted_on_when_there_is_room_for_no_more() {
    let mut strife = Strife::default();
    strife.met(FILE, own(1), 0);
    for number in 0..STRIFE_FILES_MAX as u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        strife.met(EntryId(id), own(1), 0);
    }
    for counter in 2..=STRIFE_VERSIONS_MAX as u64 {
        strife.met(FILE, own(counter), 0);
    }
    assert!(strife.is_resting(FILE));
}

/// Both write, and the first, whose clock is ahead, hears of it: how many versions it put into its
/// conflict store, and what it noted.
fn round(a: &mut Side, b: &mut Side, number: u8) -> (usize, usize) {
    a.now.wall_ms += 1000;
    a.write("f", b'A' + number);
    let news = b.write("f", b'a' + number);
    let heard = a.hear(2, news);
    let (kept, noted) = carry_out(a, heard);
    let staged = a.turn([Input::Staged(vec![Digest([b'a' + number; 32])])]);
    let more = carry_out(a, staged);
    (kept + more.0, noted + more.1)
}

/// Everything that is to be done on the disk is done.
fn carry_out(side: &mut Side, mut effects: Vec<Effect>) -> (usize, usize) {
    let (mut kept, mut noted) = (0, 0);
    while !effects.is_empty() {
        let mut done = Vec::new();
        for effect in effects {
            match effect {
                Effect::Notice(..) => noted += 1,
                Effect::Apply(batch) => {
                    for operation in batch {
                        kept += usize::from(matches!(operation.act, Act::Keep { .. }));
                        let outcome =
                            Outcome::Done { now: Vec::new(), refused: None, displaced: None };
                        done.push((operation.id, outcome));
                    }
                }
                _ => {}
            }
        }
        effects = if done.is_empty() { Vec::new() } else { side.turn([Input::Applied(done)]) };
    }
    (kept, noted)
}

#[test]
fn two_that_write_one_file_all_the_time_leave_five_losers_and_then_wait_for_quiet() {
    let (mut a, mut b, _) = with_a_file("f");
    a.turn([Input::PeerDown(node(2))]);
    b.turn([Input::PeerDown(node(1))]);
    meet(&mut a, &mut b);
    let rounds: Vec<_> = (0..20).map(|number| round(&mut a, &mut b, number)).collect();
    let kept: usize = rounds.iter().map(|(kept, _)| kept).sum();
    let noted: usize = rounds.iter().map(|(_, noted)| noted).sum();
    assert_eq!((kept, noted), (STRIFE_VERSIONS_MAX, 1), "{rounds:?}");
    let waiting = a.engine.waiting(&a.index, 1);
    assert_eq!(waiting.first().map(|waiting| &waiting.why), Some(&Why::Quiet));
    assert!(a.engine.deadline().is_some_and(|at_ms| at_ms <= a.now.mono_ms + QUIET_MS));
    a.now.mono_ms += QUIET_MS;
    let effects = a.turn([Input::Tick]);
    assert_eq!(carry_out(&mut a, effects).0, 0, "written since, and not quiet");
    a.now.mono_ms += QUIET_MS;
    let effects = a.turn([Input::Tick]);
    let (kept, _) = carry_out(&mut a, effects);
    assert_eq!(kept, 1, "it is quiet, and the last that was written is kept");
    assert!(a.engine.waiting(&a.index, 1).is_empty());
}
