//! What the kernel says of its start, read.

use super::{ago, id_of, this, up_for};
use engine::entry::Timestamp;
use std::time::{Duration, UNIX_EPOCH};

#[test]
fn the_start_lies_as_far_back_as_the_machine_is_up() {
    let up = up_for("350735.47 234388.90\n").unwrap();
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    assert_eq!(ago(now, up), Timestamp { seconds: 1_799_649_264, nanos: 530_000_000 });
    assert_eq!([up_for(""), up_for("soon"), up_for("-1 0")], [None; 3]);
}

#[test]
fn a_start_has_an_id() {
    let id = id_of("6fd3cd51-6d2e-4dc7-bb7e-81e4ef25a6ae\n", "");
    assert_eq!((id[0], id[15]), (0x6f, 0xae));
    assert_eq!(this().id, this().id);
    assert_ne!(this().id, id_of("", ""));
}

#[test]
fn two_containers_of_one_kernel_are_two_machines() {
    let start = "6fd3cd51-6d2e-4dc7-bb7e-81e4ef25a6ae\n";
    let [one, other] = ["0123456789abcdef0123456789abcdef\n", "fedcba9876543210fedcba9876543210\n"];
    assert_ne!(id_of(start, one), id_of(start, other));
    assert_eq!(id_of(start, one), id_of(start, one));
}
