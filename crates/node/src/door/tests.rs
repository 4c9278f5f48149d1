//! Silent guests make room, those that have spoken stay.

use super::Door;

#[tokio::test]
async fn the_longest_silent_one_goes_for_a_new_one() {
    let mut door = Door::new(2);
    let mut first = door.enter().await.unwrap();
    let mut second = door.enter().await.unwrap();
    let going = async {
        first.sent_away().await;
        drop(first);
    };
    let (third, ()) = tokio::join!(door.enter(), going);
    assert!(third.is_some());
    assert!(second.spoke());
}

#[tokio::test]
async fn those_that_have_spoken_stay_and_the_next_one_is_told_at_once() {
    let mut door = Door::new(2);
    let mut first = door.enter().await.unwrap();
    let mut second = door.enter().await.unwrap();
    assert!(first.spoke() && second.spoke());
    assert!(door.enter().await.is_none());
    drop(first);
    assert!(door.enter().await.is_some());
}

#[tokio::test]
async fn a_place_that_was_left_is_free_and_nobody_is_sent_away_for_it() {
    let mut door = Door::new(2);
    let first = door.enter().await.unwrap();
    let mut second = door.enter().await.unwrap();
    drop(first);
    let mut third = door.enter().await.unwrap();
    assert!(second.spoke() && third.spoke());
}
