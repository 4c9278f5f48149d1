//! What a witness says after which end.

use engine::dot::{Incarnation, NodeId};
use engine::engine::Witness;
use engine::message::FolderId;

use super::{name, open_in};

const LIFE: Incarnation = Incarnation([7; 16]);
const FOLDER: FolderId = FolderId([1; 16]);

fn node(number: u8) -> NodeId {
    NodeId([number; 32])
}

#[test]
fn it_says_the_last_that_was_noted_and_only_to_its_own_home_and_folder() {
    let place = tempfile::tempdir().unwrap();
    let places = [place.path().join("none/there"), place.path().join("syncline")];
    let (mut record, said) = open_in(&places, node(1), FOLDER);
    assert_eq!(said, Witness::Missing);
    record.note(LIFE, 300);
    record.note(LIFE, 70_000);
    assert_eq!(open_in(&places, node(1), FOLDER).1, Witness::Last(LIFE, 70_000));
    assert_eq!(open_in(&places, node(2), FOLDER).1, Witness::Missing, "another home");
    assert_eq!(open_in(&places, node(1), FolderId([2; 16])).1, Witness::Missing);
}

#[test]
fn what_is_torn_or_strange_says_nothing_and_is_written_over() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join(name(node(1), FOLDER));
    for bytes in [&b""[..], b"synclif1", &[0; 32]] {
        std::fs::write(&file, bytes).unwrap();
        let (mut record, said) = open_in(&[place.path().into()], node(1), FOLDER);
        assert_eq!(said, Witness::Missing, "{bytes:?}");
        record.note(LIFE, 3);
        assert_eq!(open_in(&[place.path().into()], node(1), FOLDER).1, Witness::Last(LIFE, 3));
    }
}

#[test]
fn where_it_has_no_place_it_says_so_and_takes_nothing_down() {
    let place = tempfile::tempdir().unwrap();
    let (mut record, said) = open_in(&[place.path().join("none/there")], node(1), FOLDER);
    assert_eq!(said, Witness::NoPlace);
    record.note(LIFE, 1);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}
