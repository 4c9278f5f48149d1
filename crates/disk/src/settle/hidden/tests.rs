//! What is looked at by itself: what no name shows.

use super::{Hidden, Left};
use engine::entry::{Kind, Timestamp};
use engine::index::{Attributes, Fingerprint, Handle};
use engine::observe::{Found, Observation, Present};
use engine::path::RelPath;

fn handle(number: u8) -> Handle {
    Handle([number].as_slice().into())
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

fn present(text: &str, number: u8) -> Observation {
    let time = Timestamp::default();
    let fingerprint = Fingerprint { handle: handle(number), size: 0, mtime: time, ctime: time };
    let (attributes, content) = (Attributes::default(), None);
    let kind = Kind::File;
    let found =
        Present { kind, fingerprint, attributes, content, soft: false, zeros: false, alone: false };
    Observation { path: path(text), found: Found::Present(found) }
}

#[test]
fn what_no_name_shows_is_left() {
    let mut hidden = Hidden::of(vec![
        (Some(path("there")), handle(1)),
        (Some(path("gone")), handle(2)),
        (Some(path("saved")), handle(3)),
        (None, handle(4)),
        (None, handle(5)),
        (Some(path("taken")), handle(6)),
        (Some(path("open")), handle(7)),
    ]);
    for look in [present("there", 1), present("new", 3), present("other", 5), present("taken", 9)] {
        hidden.saw(&look);
    }
    for text in ["gone", "saved", "never hinted"] {
        hidden.saw(&Observation { path: path(text), found: Found::Absent });
    }
    hidden.saw(&Observation { path: path("open"), found: Found::Busy(None) });
    let untold = vec![(path("open"), handle(7))];
    assert_eq!(hidden.left(), Left { hidden: vec![handle(2), handle(4), handle(6)], untold });
}

// Story (events alone, now and then): `second`, a new name of a file, gave it another mode and was
// gone when it was looked at. When it was looked at again to be sure, it was a new name of the next
// file, so nothing was told of it, and the new mode of the first reached nobody.
#[test]
fn what_was_changed_through_a_name_of_which_nothing_is_told_is_left() {
    let hidden = Hidden::of(vec![(Some(path("second")), handle(1))]);
    let untold = vec![(path("second"), handle(1))];
    assert_eq!(hidden.left(), Left { hidden: vec![], untold });
}
