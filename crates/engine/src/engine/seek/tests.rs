//! How often what could not be had is asked for.

use super::super::tests::{meet, node, present, Side};
use crate::content::Digest;
use crate::engine::{Effect, Input};
use crate::entry::Kind;
use crate::limits::RETRY_MS_MAX;
use crate::message::Message;
use crate::observe::{Found, Source};

const STEP_MS: u64 = 100;

// Story (a full disk, end to end): what there was no room for was asked for ever less, as if nobody
// had it. After some minutes without room it took some minutes more to arrive when there was.
#[test]
fn what_there_is_no_room_for_is_asked_for_every_few_seconds() {
    let (mut a, mut b) = (Side::new(1), Side::new(2));
    meet(&mut a, &mut b);
    let heard = a.write("f", b'1');
    let mut effects = b.hear(1, heard);
    let (mut last_ms, mut longest_ms) = (b.now.mono_ms, 0);
    for _ in 0..10 * 60_000 / STEP_MS {
        let mut refused: Vec<Digest> = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send(out) => {
                    let Message::Want(wants) = out.message else { continue };
                    refused.extend(wants.iter().map(|want| want.digest));
                    longest_ms = longest_ms.max(b.now.mono_ms - last_ms);
                    last_ms = b.now.mono_ms;
                }
                Effect::Copy(digest, ..) => refused.push(digest),
                _ => {}
            }
        }
        b.now.mono_ms += STEP_MS;
        effects = b.turn([Input::NotStaged(refused), Input::Tick]);
    }
    longest_ms = longest_ms.max(b.now.mono_ms - last_ms);
    assert!(longest_ms <= RETRY_MS_MAX + 10 * STEP_MS, "{longest_ms} ms");
}

// Story (simulator, seed 17366): two files held what nobody had any more. When it had been looked
// for everywhere, both were decided again: the first rested, and the second had it looked for once
// more, which woke the first. So it went on as fast as the disk could answer.
#[test]
fn what_two_files_lack_is_not_looked_for_without_rest() {
    let (mut a, mut b) = (Side::new(1), Side::new(2));
    meet(&mut a, &mut b);
    let mut heard = a.write("f", b'1');
    let another = present(Kind::File, 8, Some(b'1'));
    heard.extend(a.look(Source::Live, "g", Found::Present(another)));
    b.hear(1, heard);
    let mut effects = b.turn([Input::PeerDown(node(1))]);
    let mut asked = 0;
    for _ in 0..60_000 / STEP_MS {
        loop {
            let copies = effects.iter().filter_map(|effect| match effect {
                Effect::Copy(digest, ..) => Some(*digest),
                _ => None,
            });
            let denied: Vec<Digest> = copies.collect();
            if denied.is_empty() || asked > 1_000 {
                break;
            }
            asked += denied.len();
            effects = b.turn([Input::NotHere(denied)]);
        }
        b.now.mono_ms += STEP_MS;
        effects = b.turn([Input::Tick]);
    }
    assert!((5..100).contains(&asked), "looked for {asked} times in a minute");
}
