//! How often is tried what the disk does not let happen.

use super::super::tests::{looks, operations, present, said, with_a_file, Side};
use crate::content::{Content, Digest};
use crate::engine::{Effect, Input};
use crate::entry::Kind;
use crate::observe::{Batch, Found, Observation, Present, Source};
use crate::path::RelPath;
use crate::plan::{Act, Operation, Outcome};

/// Somebody has put a file under the name of what is to come, and nobody may read it.
fn seen(paths: Vec<RelPath>) -> Batch {
    let look = |path: RelPath| match path.to_bytes() == b"g" {
        true => Observation { path, found: Found::Unreadable("no permission".into(), None) },
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
    let (mut a, mut b, file) = with_a_file("f");
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

// Story (simulator, seeds 6211 and 9151): a file stood where a new one was to come, and was to be
// replaced itself after that. A user here moved it away; the new one waited for it all the same,
// and as it seemed to be in the way still, it was replaced before the new one was there.
#[test]
fn what_a_user_moved_away_is_in_nobodys_way_any_more() {
    let (mut a, mut b, file) = with_a_file("c");
    let target = Content::Link(b"x".as_slice().into());
    let link = Present { content: Some(target), ..present(Kind::Symlink, 7, None) };
    let told = [
        looks(Source::Live, &[("c", None), ("b", Some(file.clone()))]),
        looks(Source::Live, &[("c", Some(link))]),
        looks(Source::Live, &[("b", Some(present(Kind::File, 9, Some(b'2'))))]),
    ];
    let mut heard = Vec::new();
    for told in told {
        a.now.mono_ms += 10;
        heard.extend(said(a.turn([Input::Observed(a.now.mono_ms + 1, told)])));
    }
    let away = operations(b.hear(1, heard));
    assert!(matches!(away[..], [Operation { act: Act::Move { .. }, .. }]), "{away:?}");
    let failed = Input::Applied(vec![(away[0].id, Outcome::NotAsExpected)]);
    b.turn([failed, Input::Staged(vec![Digest([b'2'; 32])])]);
    b.now.mono_ms += 10;
    let moved = looks(Source::Live, &[("c", None), ("b", Some(file))]);
    let next = operations(b.turn([Input::Observed(b.now.mono_ms + 1, moved)]));
    let of = |operation: &Operation| operation.act.paths().iter().map(RelPath::to_string).collect();
    let paths: Vec<Vec<String>> = next.iter().map(of).collect();
    assert_eq!(paths, [["c"]], "the new one comes first");
}

// Story (simulator, seed 17312): a symlink and a file were to change names. While that was being
// done word came that the symlink goes on from there, that a new file comes for the name, and that
// the old one is to be written where it went. Only who waited for the symlink was let go on by the
// exchange: the new file waited until the old one had its new content, and as that seemed to be in
// its way, it was replaced before the new one was there (decisions A19).
#[test]
fn who_waits_for_a_name_goes_on_when_an_exchange_has_emptied_it() {
    let (mut a, mut b, file) = with_a_file("p");
    let target = Content::Link(b"x".as_slice().into());
    let mut link = Present { content: Some(target), ..present(Kind::Symlink, 7, None) };
    link.attributes.mode = 0o777;
    let told = |side: &mut Side, told: &[(&str, Option<Present>)]| {
        side.now.mono_ms += 10;
        said(side.turn([Input::Observed(side.now.mono_ms + 1, looks(Source::Live, told))]))
    };
    let staged = |letter: u8| Input::Staged(vec![Digest([letter; 32])]);
    let done = |now| Outcome::Done { now, refused: None, displaced: None };
    let made = told(&mut a, &[("q", Some(link.clone()))]);
    let install = operations(b.hear(1, made));
    b.turn([Input::Applied(vec![(install[0].id, done(vec![link.clone()]))])]);
    let swapped = told(&mut a, &[("p", Some(link.clone())), ("q", Some(file.clone()))]);
    let exchange = operations(b.hear(1, swapped));
    let [Operation { id, act: Act::Exchange { a: from, .. } }] = &exchange[..] else {
        panic!("{exchange:?}")
    };
    assert_eq!(from.path().to_string(), "q", "it is done for the symlink");
    let mut heard = told(&mut a, &[("p", None), ("r", Some(link.clone()))]);
    heard.extend(told(&mut a, &[("p", Some(present(Kind::File, 6, Some(b'3'))))]));
    heard.extend(told(&mut a, &[("q", Some(present(Kind::File, 9, Some(b'2'))))]));
    assert!(operations(b.hear(1, heard)).is_empty(), "the exchange is under way");
    let swapped = Input::Applied(vec![(*id, done(vec![file, link.clone()]))]);
    let away = operations(b.turn([swapped, staged(b'3')]));
    assert!(matches!(away[..], [Operation { act: Act::Move { .. }, .. }]), "{away:?}");
    let next = operations(b.turn([Input::Applied(vec![(away[0].id, done(vec![link]))])]));
    let [Operation { act: Act::Install { at, .. }, .. }] = &next[..] else { panic!("{next:?}") };
    assert_eq!(at.path().to_string(), "p", "its name is free");
}
