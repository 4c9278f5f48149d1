//! What is looked at by itself: what no name shows.

use super::Hidden;
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
    let found = Present { kind, fingerprint, attributes, content, soft: false, zeros: false };
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
    ]);
    for look in [present("there", 1), present("new", 3), present("other", 5), present("else", 9)] {
        hidden.saw(&look);
    }
    for text in ["gone", "saved", "never hinted"] {
        hidden.saw(&Observation { path: path(text), found: Found::Absent });
    }
    assert_eq!(hidden.left(), [handle(2), handle(4)]);
}
