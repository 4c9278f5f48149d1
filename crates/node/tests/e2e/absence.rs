//! Nodes that were away, in good order or killed, miss nothing and lose nothing.

use std::fs;
use std::path::Path;

use libtest_mimic::Failed;

use crate::grow::{self, Random};
use crate::lab::{tool, until, Lab, Outcome, FOLDER};
use crate::writers::{self, Writer, Written};

const ROUNDS: u64 = 10;
/// In each round.
const KILLS: u64 = 3;
/// Of a user before or after a kill, at most.
const STEPS: u64 = 60;

/// One is stopped while all three change things.
pub fn stopped_and_back() -> Outcome {
    let mut lab = Lab::three()?;
    grow::odd(&lab.nodes[0].tree)?;
    for number in 0..50 {
        fs::write(lab.nodes[0].tree.join(format!("{number}.txt")), format!("first {number}"))?;
    }
    lab.settle("the beginning")?;
    lab.nodes[2].stop()?;
    for (at, range) in [(0, 0..10), (1, 10..20), (2, 20..30)] {
        let node = &lab.nodes[at];
        for number in range {
            let path = node.tree.join(format!("{number}.txt"));
            match number % 3 {
                0 => fs::remove_file(path)?,
                1 => fs::write(path, format!("by {}", node.name))?,
                _ => fs::rename(path, node.tree.join(format!("{number} moved by {}", node.name)))?,
            }
        }
        fs::write(node.tree.join(format!("new on {}", node.name)), b"new")?;
    }
    fs::remove_dir_all(lab.nodes[1].tree.join("odd"))?;
    lab.nodes[2].start()?;
    lab.meet()?;
    lab.settle("c is back")?;
    for node in &lab.nodes {
        for gone in ["0.txt", "12.txt", "21.txt", "odd"] {
            if node.tree.join(gone).exists() {
                return Err(lab.trouble("c is back", &format!("{gone} came back on {}", node.name)));
            }
        }
        for there in ["new on a", "new on b", "new on c", "2 moved by a", "20 moved by c"] {
            if !node.tree.join(there).exists() {
                return Err(lab.trouble("c is back", &format!("{there} is not on {}", node.name)));
            }
        }
    }
    Ok(())
}

/// `kill -9` of a random node at a random moment while users go on writing, partly the same files,
/// and nobody stops for it.
pub fn killed_under_load() -> Outcome {
    let mut lab = Lab::three()?;
    let seed = std::env::var("E2E_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut random = Random::new(seed);
    let mut written = [Written::default(), Written::default(), Written::default()];
    lab.settle("three empty nodes")?;
    for round in 0..ROUNDS {
        let what = format!("seed {seed}, round {round}");
        let writers = [0, 1, 2].map(|at| {
            Writer::start(&lab.nodes[at], round, random.next(), std::mem::take(&mut written[at]))
        });
        for _ in 0..KILLS {
            kill_one_or_two(&mut lab, &writers, &mut random)?;
        }
        for (written, writer) in written.iter_mut().zip(writers) {
            *written = writer.stop()?;
        }
        lab.meet()?;
        lab.settle(&what)?;
        let trouble = |error: Failed| lab.trouble(&what, error.message().unwrap_or("?"));
        for node in &lab.nodes {
            for (at, written) in written.iter().enumerate() {
                writers::check_own(node, &lab.nodes[at].name, written).map_err(trouble)?;
            }
            writers::check_shared(node, &written).map_err(trouble)?;
        }
    }
    Ok(())
}

/// Kills a node and starts it again, and now and then another one while it is away. The writers of
/// all three are at work before, between and after.
fn kill_one_or_two(lab: &mut Lab, writers: &[Writer; 3], random: &mut Random) -> Outcome {
    let first = random.below(3) as usize;
    let other = (first + 1 + random.below(2) as usize) % 3;
    let victims = if random.below(3) == 0 { vec![first, other] } else { vec![first] };
    for &victim in &victims {
        writers[victim].go_on(1 + random.below(STEPS))?;
        lab.nodes[victim].kill();
    }
    for &victim in &victims {
        writers[victim].go_on(1 + random.below(STEPS))?;
        lab.nodes[victim].start()?;
    }
    Ok(())
}

/// Every path had one writer: a conflict would be a copy that nobody made.
pub fn no_conflicts(lab: &Lab) -> Outcome {
    for node in &lab.nodes {
        let conflicts = node.conflicts()?;
        if let Some(first) = conflicts.first() {
            let words = format!("{} lists {} conflict(s): {first:?}", node.name, conflicts.len());
            return Err(lab.trouble("everything", &words));
        }
    }
    Ok(())
}

/// A large content that a kill cut off goes on where it was; nothing of it stays in staging.
pub fn goes_on_where_it_was_cut() -> Outcome {
    const SIZE: u64 = 200 << 20;
    const BEGUN: u64 = 32 << 20;
    let mut lab = Lab::machines(&["a", "b"])?;
    lab.found()?;
    lab.join_others()?;
    let large = Random::new(4).bytes(SIZE as usize);
    fs::write(lab.nodes[0].tree.join("large.bin"), &large)?;
    let place = lab.nodes[1].home.clone();
    let begun: u64 = until("b has received some of it", || {
        let begun = parts(&place)?.into_iter().sum();
        Ok((begun > BEGUN).then_some(begun))
    })?;
    lab.nodes[1].kill();
    if begun >= SIZE {
        return Err(lab.trouble("200 MiB", "it had all of it before the kill"));
    }
    let before = lab.wire_bytes(1)?;
    lab.nodes[1].start()?;
    lab.meet()?;
    lab.settle("b is back")?;
    let sent = lab.wire_bytes(1)? - before;
    if sent > SIZE - BEGUN / 2 {
        let words = format!("{sent} bytes on the wire; {begun} bytes were there already");
        return Err(lab.trouble("200 MiB", &words));
    }
    until("nothing is left in staging", || Ok(parts(&place)?.is_empty().then_some(())))
}

/// The lengths of the contents that have arrived in part. What vanishes meanwhile is none.
fn parts(home: &Path) -> Outcome<Vec<u64>> {
    let script = format!("find '{}' -name '*.part' -printf '%s\\n' || true", home.display());
    let found = tool(&["sh", "-c", &script])?;
    Ok(found.lines().map(str::parse).collect::<Result<_, _>>()?)
}

/// What was complete before a kill is not sent again.
pub fn nothing_sent_twice() -> Outcome {
    let mut lab = Lab::three()?;
    fs::write(lab.nodes[0].tree.join("large.bin"), Random::new(3).bytes(20 << 20))?;
    lab.settle_after("20 MiB", &[0])?;
    lab.nodes[1].kill();
    let before = lab.wire_bytes(1)?;
    lab.nodes[1].start()?;
    lab.meet()?;
    lab.nodes[0].ok(&["wait", FOLDER, "--timeout", "30s"])?;
    lab.settle("b is back")?;
    let sent = lab.wire_bytes(1)? - before;
    if sent > 1 << 20 {
        return Err(format!("{sent} bytes on the wire for a node that had everything").into());
    }
    Ok(())
}
