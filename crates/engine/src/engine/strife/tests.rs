//! Two that write one file all the time.

use super::super::tests::{meet, node, with_a_file, Side};
use super::Strife;
use crate::content::Digest;
use crate::dot::Incarnation;
use crate::engine::{Effect, Input, Why};
use crate::entry::EntryId;
use crate::limits::{QUIET_MS, STRIFE_FILES_MAX, STRIFE_LOSERS_MAX, STRIFE_MS};
use crate::plan::{Act, Outcome};

const FILE: EntryId = EntryId([1; 16]);

fn author(number: u8) -> Incarnation {
    Incarnation([number; 16])
}

#[test]
fn one_authors_losers_within_a_minute_are_strife_and_those_of_many_are_not() {
    let mut strife = Strife::default();
    for number in 1..=20 {
        assert!(!strife.lost(FILE, author(number), 0), "each wrote it once");
    }
    for at_ms in 1..STRIFE_LOSERS_MAX as u64 - 1 {
        assert!(!strife.lost(FILE, author(1), at_ms));
    }
    assert!(strife.lost(FILE, author(1), 10), "it rests from now on");
    assert!(!strife.lost(FILE, author(1), 11), "it rests already");
    assert_eq!(strife.rests_until(FILE, 11), Some(11 + QUIET_MS));
    assert_eq!(strife.rests_until(EntryId([2; 16]), 11), None, "another file");
    assert_eq!(strife.rests_until(FILE, 11 + QUIET_MS), None, "it is quiet");
    assert!(!strife.lost(FILE, author(1), 11 + QUIET_MS), "the same strife, which was told of");
    assert!(strife.rests_until(FILE, 12 + QUIET_MS).is_some(), "one loser, and it rests again");
}

#[test]
fn what_lost_long_ago_does_not_count() {
    let mut strife = Strife::default();
    for round in 0..20 {
        assert!(!strife.lost(FILE, author(1), round * STRIFE_MS / 4), "four a minute");
    }
}

#[test]
fn no_more_files_are_counted_than_there_is_room_for() {
    let mut strife = Strife::default();
    for number in 0..2 * STRIFE_FILES_MAX as u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        strife.lost(EntryId(id), author(1), 0);
    }
    assert_eq!(strife.losses.len(), STRIFE_FILES_MAX);
    strife.lost(FILE, author(1), STRIFE_MS);
    assert_eq!(strife.losses.len(), 1, "what is old makes room");
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
    assert_eq!((kept, noted), (STRIFE_LOSERS_MAX, 1), "{rounds:?}");
    let waiting = a.engine.waiting(&a.index, 1);
    assert_eq!(waiting.first().map(|waiting| &waiting.why), Some(&Why::Quiet));
    assert!(a.engine.deadline().is_some_and(|at_ms| at_ms <= a.now.mono_ms + QUIET_MS));
    a.now.mono_ms += QUIET_MS;
    let effects = a.turn([Input::Tick]);
    let (kept, _) = carry_out(&mut a, effects);
    assert_eq!(kept, 1, "it is quiet, and the last that was written is kept");
    assert!(a.engine.waiting(&a.index, 1).is_empty());
}
