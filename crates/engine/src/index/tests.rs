//! What one name of a file takes from another, and what stays its own.

use super::{BodyDots, SeenDots};
use crate::dot::{Dot, Incarnation};
use crate::entry::EntryId;

#[test]
fn a_name_keeps_its_place_and_contents_and_takes_what_is_of_the_file() {
    let dots = |counter| vec![Dot { incarnation: Incarnation([1; 16]), counter }];
    let seen = |n: u64| SeenDots {
        loc: dots(n),
        data: dots(n + 1),
        shown: dots(n + 2),
        times: dots(n + 3),
        mode: dots(n + 4),
        owner: dots(n + 5),
        xattr: dots(n + 6),
        body: Some(BodyDots { id: EntryId([7; 16]), data: dots(n + 7), shown: dots(n + 8) }),
    };
    let (one, other) = (seen(10), seen(20));
    let of_the_name = SeenDots {
        loc: one.loc.clone(),
        data: one.data.clone(),
        shown: one.shown.clone(),
        ..other.clone()
    };
    assert_eq!(one.as_name_beside(&other), of_the_name);
}
