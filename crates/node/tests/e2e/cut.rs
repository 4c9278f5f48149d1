//! A cable that is out: both sides go on, one winner, and the loser stays readable everywhere.

use std::fs;

use crate::lab::{until, Lab, Outcome};

/// Two edit the same files while cut off from one another. As soon as all have agreed, the author
/// of a loser is taken away with all it had, before anybody has asked for that loser: kept on
/// demand, it would be gone.
pub fn one_winner() -> Outcome {
    for first in [0, 1] {
        author_goes(first)?;
    }
    Ok(())
}

/// Who writes first decides who wins, so each of the two authors once is the loser's.
fn author_goes(first: usize) -> Outcome {
    let mut lab = Lab::three()?;
    fs::write(lab.nodes[0].tree.join("page.html"), b"before the cut")?;
    lab.settle("before the cut")?;
    lab.cable(1, false)?;
    let texts = ["written by a in the cut", "written by b in the cut"];
    for at in [first, 1 - first] {
        fs::write(lab.nodes[at].tree.join("page.html"), texts[at])?;
    }
    until("a notices the cut", || Ok((lab.nodes[0].connected()? == 1).then_some(())))?;
    until("b notices the cut", || Ok((lab.nodes[1].connected()? == 0).then_some(())))?;
    lab.cable(1, true)?;
    lab.meet()?;
    lab.settle("the cable is back")?;
    let winner = fs::read_to_string(lab.nodes[2].tree.join("page.html"))?;
    let Some(won) = texts.iter().position(|text| **text == winner) else {
        return Err(lab.trouble("the cable is back", &format!("page.html reads {winner:?}")));
    };
    let (author, loser) = (1 - won, texts[1 - won]);
    lab.nodes[author].stop()?;
    fs::remove_dir_all(&lab.nodes[author].home)?;
    fs::remove_dir_all(&lab.nodes[author].tree)?;
    for at in [won, 2] {
        check_loser(&lab, at, loser)?;
    }
    Ok(())
}

fn check_loser(lab: &Lab, at: usize, loser: &str) -> Outcome {
    let node = &lab.nodes[at];
    let all = node.conflicts()?;
    let [one] = &all[..] else {
        return Err(lab.trouble("the cut", &format!("{} lists {all:?}", node.name)));
    };
    if one.path != "page.html" {
        return Err(lab.trouble("the cut", &format!("{} lists {one:?}", node.name)));
    }
    let run = node.run(&["conflicts", "show", &one.id])?;
    let shown = String::from_utf8_lossy(&run.stdout).into_owned();
    if run.code != 0 || shown != loser {
        let words = format!("{} gives {}, {shown:?}, {:?}", node.name, run.code, run.stderr);
        return Err(lab.trouble("the author of the loser is gone", &words));
    }
    Ok(())
}

/// Two that cannot reach one another meet through the third.
pub fn chain() -> Outcome {
    let lab = Lab::three()?;
    lab.settle("three empty nodes")?;
    lab.route(0, 2, false)?;
    until("a and c have lost one another", || {
        let lost = |at: usize| Ok::<bool, libtest_mimic::Failed>(lab.nodes[at].connected()? == 1);
        Ok((lost(0)? && lost(2)?).then_some(()))
    })?;
    for (from, to) in [(0, 2), (2, 0)] {
        let name = format!("from {}", lab.nodes[from].name);
        fs::write(lab.nodes[from].tree.join(&name), vec![7; 300_000])?;
        until(&format!("{name} arrives through b"), || {
            let there = fs::read(lab.nodes[to].tree.join(&name)).ok();
            Ok(there.filter(|bytes| bytes.len() == 300_000).map(|_| ()))
        })?;
    }
    Ok(())
}
