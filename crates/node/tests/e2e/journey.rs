//! A site on three machines, from the join on through everything that people do to files.

use std::fs::{self, FileTimes, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{chown, symlink, PermissionsExt};
use std::path::Path;

use crate::grow::{self, Random};
use crate::lab::{tools, Lab, Outcome};

/// Rounds of moves.
const MOVES: usize = 15;
/// Rounds of two releases that go live one after the other.
const FLIPS: usize = 6;
const SMALL_FILES: u64 = 1000;
const LARGE_BYTES: usize = 200 << 20;
/// A rename of a thousand files says this much at most: records, no content.
const RENAME_WIRE_BYTES_MAX: u64 = 256 << 10;

/// The promise of the product in one trial.
pub fn site() -> Outcome {
    let mut lab = Lab::machines(&["a", "b", "c"])?;
    grow::site(&lab.nodes[0].tree, 1)?;
    lab.found()?;
    lab.join_others()?;
    lab.settle("join with a site on a")?;
    everything(&lab)?;
    large_file(&lab)
}

/// All that people do to files, one after another on different nodes.
fn everything(lab: &Lab) -> Outcome {
    for (at, what, change) in CHANGES {
        change(&lab.nodes[*at].tree)?;
        lab.settle_after(what, &[*at])?;
    }
    rename_costs_no_content(lab)
}

/// Debian's WordPress, fetched by apt: the same beside it, then the site itself moved and removed.
pub fn wordpress() -> Outcome {
    let package = grow::wordpress()?;
    let mut lab = Lab::machines(&["a", "b", "c"])?;
    tools(&format!("cp -a {}/. {}", package.display(), lab.nodes[0].tree.display()))?;
    lab.found()?;
    lab.join_others()?;
    lab.settle("join with WordPress on a")?;
    grow::odd(&lab.nodes[1].tree)?;
    lab.settle_after("odd names on b", &[1])?;
    everything(&lab)?;
    let share = lab.nodes[1].tree.join("usr/share");
    fs::rename(share.join("wordpress"), share.join("wordpress-new"))?;
    lab.settle_after("the site renamed on b", &[1])?;
    fs::remove_dir_all(lab.nodes[2].tree.join("usr"))?;
    lab.settle_after("rm -rf on c", &[2])
}

/// A directory goes into a new one, that one gets another name, and something new gets the first
/// one's: all before anybody has looked.
pub fn moved_at_once() -> Outcome {
    let lab = Lab::three()?;
    for round in 0..MOVES {
        let (at, tree) = (round % 3, &lab.nodes[round % 3].tree);
        fs::create_dir(tree.join("uploads"))?;
        grow::numbered(&tree.join("uploads"), 100)?;
        lab.settle_after(&format!("round {round}: 100 files"), &[at])?;
        moves(tree)?;
        let what = format!("round {round}: directories moved into one another");
        lab.settle_after(&what, &[at])?;
        fs::remove_dir_all(tree.join("attic"))?;
        fs::remove_dir_all(tree.join("uploads"))?;
        lab.settle_after(&format!("round {round}: all of it removed"), &[at])?;
    }
    Ok(())
}

/// A release goes live as many deploy it: the old directory steps aside, the new one takes its
/// name, back and forth. Now and then all that was in the first was missing elsewhere, and nobody
/// said so.
pub fn flipped() -> Outcome {
    let lab = Lab::three()?;
    let tree = &lab.nodes[0].tree;
    fs::create_dir(tree.join("live"))?;
    grow::numbered(&tree.join("live"), 20)?;
    fs::create_dir(tree.join("next"))?;
    lab.settle_after("a release and an empty one", &[0])?;
    for round in 0..FLIPS {
        for [old, new] in [["live", "old"], ["next", "live"], ["live", "next"], ["old", "live"]] {
            fs::rename(tree.join(old), tree.join(new))?;
            if new == "live" {
                lab.settle_after(&format!("round {round}: {old} goes live"), &[0])?;
            }
        }
    }
    Ok(())
}

type Change = (usize, &'static str, fn(&Path) -> Outcome);

const CHANGES: &[Change] = &[
    (0, "1,000 small files on a", small_files),
    (1, "an edit and an append on b", edit),
    (2, "chmod, chown, touch, attributes on c", attributes),
    (0, "an editor's save on a", editor),
    (1, "a file becomes a directory on b", to_directory),
    (2, "a directory becomes a file on c", to_file),
    (0, "a file becomes a symlink and a symlink a file on a", links),
    (1, "two names swapped on b", swap),
    (2, "directories moved into one another on c", moves),
    (0, "truncated, emptied, and copied on a", sizes),
    (1, "rm -rf and the same name again on b", again),
    (2, "rm -rf of the odd names on c", |at| Ok(fs::remove_dir_all(at.join("odd"))?)),
    (0, "the odd names again on a", grow::odd),
];

fn small_files(at: &Path) -> Outcome {
    fs::create_dir(at.join("uploads"))?;
    for number in 0..SMALL_FILES {
        let text = format!("small file {number}\n").repeat(number as usize % 40);
        fs::write(at.join(format!("uploads/{number}.txt")), text)?;
    }
    Ok(())
}

fn edit(at: &Path) -> Outcome {
    fs::write(at.join("uploads/7.txt"), b"edited")?;
    let mut log = OpenOptions::new().append(true).open(at.join("uploads/8.txt"))?;
    Ok(log.write_all(b"one more line\n")?)
}

fn attributes(at: &Path) -> Outcome {
    let uploads = at.join("uploads");
    fs::set_permissions(uploads.join("1.txt"), fs::Permissions::from_mode(0o640))?;
    fs::set_permissions(&uploads, fs::Permissions::from_mode(0o750))?;
    chown(uploads.join("2.txt"), Some(33), Some(4))?;
    grow::date(&uploads.join("3.txt"), 123_456_789)?;
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    let file = fs::File::open(uploads.join("4.txt"))?;
    file.set_times(FileTimes::new().set_modified(long_ago).set_accessed(long_ago))?;
    grow::mark(&uploads.join("5.txt"))?;
    tools(&format!("setfattr -x user.empty {}/odd/marked", at.display()))?;
    tools(&format!("touch -h -d 2011-11-11T11:11:11.123456789Z {}/odd/dangling", at.display()))?;
    grow::date(&uploads, 987_654_321)?;
    Ok(())
}

fn editor(at: &Path) -> Outcome {
    for (number, text) in ["first save", "second save, longer"].iter().enumerate() {
        let fresh = at.join("uploads/.9.txt.swp");
        fs::write(&fresh, text)?;
        fs::File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, at.join("uploads/9.txt"))?;
        // As vim does with `backup`: the old one steps aside, a new one is written in its place.
        let backup = at.join(format!("uploads/10.txt~{number}"));
        fs::rename(at.join("uploads/10.txt"), &backup)?;
        fs::write(at.join("uploads/10.txt"), text)?;
    }
    Ok(())
}

fn to_directory(at: &Path) -> Outcome {
    fs::remove_file(at.join("uploads/11.txt"))?;
    fs::create_dir(at.join("uploads/11.txt"))?;
    Ok(fs::write(at.join("uploads/11.txt/inside"), b"inside")?)
}

fn to_file(at: &Path) -> Outcome {
    fs::remove_dir_all(at.join("uploads/11.txt"))?;
    Ok(fs::write(at.join("uploads/11.txt"), b"a file again")?)
}

fn links(at: &Path) -> Outcome {
    fs::remove_file(at.join("uploads/12.txt"))?;
    symlink("13.txt", at.join("uploads/12.txt"))?;
    fs::remove_file(at.join("odd/absolute"))?;
    fs::write(at.join("odd/absolute"), b"no link any more")?;
    symlink("14.txt", at.join("uploads/.next"))?;
    Ok(fs::rename(at.join("uploads/.next"), at.join("uploads/12.txt"))?)
}

fn swap(at: &Path) -> Outcome {
    let name = |name: &str| at.join("uploads").join(name);
    fs::rename(name("15.txt"), name("between"))?;
    fs::rename(name("16.txt"), name("15.txt"))?;
    Ok(fs::rename(name("between"), name("16.txt"))?)
}

fn moves(at: &Path) -> Outcome {
    fs::create_dir(at.join("archive"))?;
    fs::rename(at.join("uploads"), at.join("archive/2026"))?;
    fs::rename(at.join("archive"), at.join("attic"))?;
    fs::create_dir(at.join("uploads"))?;
    Ok(fs::rename(at.join("attic/2026/17.txt"), at.join("uploads/17.txt"))?)
}

fn sizes(at: &Path) -> Outcome {
    let attic = at.join("attic/2026");
    OpenOptions::new().write(true).open(attic.join("39.txt"))?.set_len(5)?;
    OpenOptions::new().write(true).open(attic.join("38.txt"))?.set_len(100_000)?;
    fs::write(attic.join("37.txt"), b"")?;
    fs::copy(attic.join("36.txt"), attic.join("copy of 36.txt"))?;
    Ok(())
}

fn again(at: &Path) -> Outcome {
    fs::remove_dir_all(at.join("attic/2026"))?;
    fs::create_dir_all(at.join("attic/2026"))?;
    fs::write(at.join("attic/2026/1.txt"), b"another file of the same name")?;
    small_files(&at.join("attic"))
}

fn rename_costs_no_content(lab: &Lab) -> Outcome {
    let big = lab.nodes[1].tree.join("big");
    fs::create_dir(&big)?;
    let mut random = Random::new(7);
    for number in 0..SMALL_FILES {
        fs::write(big.join(format!("{number}.bin")), random.bytes(2048))?;
    }
    lab.settle_after("1,000 files to rename on b", &[1])?;
    let before = lab.wire_bytes(1)?;
    fs::rename(&big, lab.nodes[1].tree.join("renamed"))?;
    lab.settle_after("a directory of 1,000 files renamed on b", &[1])?;
    let moved = lab.wire_bytes(1)? - before;
    if moved > RENAME_WIRE_BYTES_MAX {
        return Err(format!("renaming 1,000 files put {moved} bytes on the wire").into());
    }
    Ok(())
}

fn large_file(lab: &Lab) -> Outcome {
    let path = lab.nodes[2].tree.join("film.bin");
    fs::write(&path, Random::new(9).bytes(LARGE_BYTES))?;
    lab.settle_after("a large file on c", &[2])?;
    let mut file = OpenOptions::new().append(true).open(&path)?;
    file.write_all(b"and its end")?;
    drop(file);
    lab.settle_after("its end on c", &[2])
}
