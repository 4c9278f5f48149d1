//! What is said while `wait` waits.

use super::on_its_way;
use crate::control::WaitProgress;
use crate::view::Progress;

/// A member had just died, and all that was said of it was "on its way: 0".
#[test]
fn who_is_not_there_is_named() {
    let at = |total: Option<u64>, absent: &[&str]| {
        let absent = absent.iter().map(|&who| who.to_owned()).collect();
        on_its_way(&WaitProgress { progress: Progress { total, ..Progress::default() }, absent })
    };
    assert_eq!(
        at(Some(0), &["b (not connected since noon)"]),
        "waiting for b (not connected since noon)"
    );
    assert_eq!(at(Some(4), &["b"]), "on its way: 0 of 4 (0 %); waiting for b");
    assert_eq!(at(Some(4), &[]), "on its way: 0 of 4 (0 %)");
}
