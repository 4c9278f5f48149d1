//! How often is tried what the disk does not let happen.

use super::super::tests::{done, installed, looks, meet, operations, present, said, Side};
use crate::content::Digest;
use crate::engine::{Effect, Input};
use crate::entry::Kind;
use crate::observe::{Batch, Found, Observation, Source};
use crate::path::RelPath;
use crate::plan::{Act, Outcome};

/// Somebody has put a file under the name of what is to come, and nobody may read it.
fn seen(paths: Vec<RelPath>) -> Batch {
    let look = |path: RelPath| match path.to_bytes() == b"g" {
        true => Observation { path, found: Found::Unreadable("no permission".into()) },
        false => {
            let file = present(Kind::File, 9, Some(b'1'));
            Observation { path, found: Found::Present(file) }
        }
    };
    Batch { source: Source::Live, looks: paths.into_iter().map(look).collect() }
}

// Story (simulator, seed 3065): a peer renamed a file to a name under which a user here had put
// another, which nobody may read. The rename failed and both names were looked at, which was news
// enough to try it again at once: hundreds of times a second, for as long as the file was there.
#[test]
fn what_stands_in_the_way_and_cannot_be_read_is_tried_after_ever_longer_pauses() {
    let (mut a, mut b) = (Side::new(1), Side::new(2));
    meet(&mut a, &mut b);
    let heard = a.write("f", b'1');
    b.hear(1, heard);
    let install = installed(&operations(b.turn([Input::Staged(vec![Digest([b'1'; 32])])]))).0;
    let file = present(Kind::File, 9, Some(b'1'));
    b.turn([Input::Applied(vec![(install, done(file.clone()))])]);
    let moved = looks(Source::Live, &[("f", None), ("g", Some(file))]);
    let heard = said(a.turn([Input::Observed(a.now.mono_ms + 1, moved)]));
    let mut effects = b.hear(1, heard);
    let (began_ms, mut tried) = (b.now.mono_ms, 0);
    while b.now.mono_ms < began_ms + 10_000 {
        let mut inputs = vec![Input::Tick];
        for effect in effects {
            match effect {
                Effect::Apply(batch) => {
                    let of = |act: &Act| matches!(act, Act::Move { .. });
                    tried += batch.iter().filter(|operation| of(&operation.act)).count();
                    let all = batch.iter().map(|operation| (operation.id, Outcome::NotAsExpected));
                    inputs.push(Input::Applied(all.collect()));
                }
                Effect::Observe(paths) => {
                    inputs.push(Input::Observed(b.now.mono_ms + 1, seen(paths)));
                }
                _ => {}
            }
        }
        effects = b.turn(inputs);
    }
    assert!((5..20).contains(&tried), "{tried} times in 10 s");
}
