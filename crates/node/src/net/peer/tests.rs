//! Which of two proposals is taken, as a table.

use engine::dot::NodeId;

use super::{takes, Fence};
use crate::net::hello::{Hello, Purpose};

fn proposal(process: u8, attempt: u64, purpose: Purpose) -> Hello {
    Hello {
        versions: (1, 1),
        cluster: [0; 16],
        purpose,
        session: [0; 16],
        process: [process; 16],
        attempt,
        data_connections: 2,
        name: "a".into(),
    }
}

#[test]
fn fresh_proposals_win_stale_ones_lose_and_ids_break_ties() {
    let (small, large) = (NodeId([1; 32]), NodeId([2; 32]));
    let fence = Some(Fence { process: [7; 16], attempt: 5 });
    let control = Purpose::Control;
    let table = [
        (small, large, None, proposal(7, 1, control), false, true),
        (small, large, None, proposal(7, 1, control), true, false),
        (large, small, None, proposal(7, 1, control), true, true),
        (large, small, fence, proposal(7, 5, control), true, false),
        (large, small, fence, proposal(7, 6, control), false, true),
        (large, small, fence, proposal(8, 1, control), false, true),
        (large, small, None, proposal(7, 1, Purpose::Data), false, false),
    ];
    for (me, peer, fence, hello, proposing, expected) in table {
        assert_eq!(takes(&me, &peer, fence, &hello, proposing), expected, "{me:?} {hello:?}");
    }
}
