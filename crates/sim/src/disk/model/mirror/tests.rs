//! How a model follows: by numbers, and what is open stays.

use super::{Look, Mirror};
use crate::disk::model::Inode;
use disk::fs::FileKind;
use engine::entry::Timestamp;
use engine::path::{Name, RelPath};
use std::sync::Arc;

fn path(text: &str) -> RelPath {
    let names = text.split('/').map(|name| Name::new(name.as_bytes()).expect("a name"));
    RelPath::from_names(names.collect())
}

fn look(number: u64, kind: FileKind, text: &str) -> Look {
    let (bytes, mtime) = (Arc::new(text.as_bytes().to_vec()), Timestamp { seconds: 1, nanos: 0 });
    Look { number, kind, bytes, mode: 0o644, mtime }
}

fn at(mirror: &Mirror, text: &str) -> Option<Inode> {
    mirror.model.find(mirror.root, &path(text))
}

#[test]
fn what_is_renamed_stays_what_it_is_and_what_is_gone_is_gone() {
    let mut mirror = Mirror::default();
    let dir = (path("d"), look(7, FileKind::Dir, ""));
    mirror.follow(&[dir.clone(), (path("d/a"), look(8, FileKind::File, "x"))], &[], &[]);
    let file = at(&mirror, "d/a").expect("it stands there");
    mirror.follow(&[dir, (path("b"), look(8, FileKind::File, "y"))], &[], &[]);
    assert_eq!((at(&mirror, "b"), at(&mirror, "d/a")), (Some(file), None));
    assert_eq!(**mirror.model.thing(file).expect("there").bytes, *b"y");
    mirror.follow(&[], &[], &[]);
    assert!(mirror.model.thing(file).is_err(), "nobody has it open");
}

#[test]
fn what_users_have_open_stays_wherever_it_is() {
    let mut mirror = Mirror::default();
    let file = |text| look(8, FileKind::File, text);
    mirror.follow(&[(path("a"), file("x"))], &[], &[]);
    let inode = at(&mirror, "a").expect("it stands there");
    mirror.model.open(inode, true).expect("a file");
    mirror.follow(&[], &[], &[file("x")]);
    assert_eq!(mirror.model.thing(inode).expect("open").links, 1);
    mirror.follow(&[], &[], &[]);
    let thing = mirror.model.thing(inode).expect("open");
    assert_eq!((thing.links, thing.writers), (0, 1));
    assert!(mirror.model.take_deeds().is_empty(), "a user did nothing");
}
