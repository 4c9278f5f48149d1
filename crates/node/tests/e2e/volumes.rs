//! What the filesystem under a node's tree does to it: full, read-only, frozen, forbidden, rotten.
//! That node says so, the others go on, and put right it has everything.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{chown, PermissionsExt};
use std::path::Path;

use crate::grow::{self, Random};
use crate::lab::{tool, until, Lab, Outcome, Volume, FOLDER};
use crate::notice::NOBODY;
use node::view::FolderState;

const TOO_LARGE_BYTES: usize = 12 << 20;

/// The others have `name` as a wrote it, and c neither has it nor hides why.
fn others_go_on(lab: &Lab, name: &str, word: &str) -> Outcome {
    let wanted = fs::read(lab.nodes[0].tree.join(name))?;
    until(&format!("b has {name}"), || {
        let found = fs::read(lab.nodes[1].tree.join(name)).ok();
        Ok((found.as_ref() == Some(&wanted)).then_some(()))
    })?;
    let mut said = String::new();
    until(&format!("c says {word:?}"), || {
        let run = lab.nodes[2].run(&["status"])?;
        said = String::from_utf8_lossy(&run.stdout).into_owned();
        Ok((run.code == 3 && said.contains(word)).then_some(()))
    })
    .map_err(|error| lab.trouble(&said, error.message().unwrap_or("?")))?;
    let held = lab.nodes[0].run(&["wait", FOLDER, "--timeout", "1s"])?;
    held.refused(5, &["c"])
}

/// The filesystem under c's tree has no room for what a wrote, then for nothing at all; room is
/// made later.
pub fn full() -> Outcome {
    let mut lab = Lab::machines(&["a", "b", "c"])?;
    let volume = lab.small_volume(2, "8m")?;
    lab.found()?;
    lab.join_others()?;
    grow::numbered(&lab.nodes[2].tree, 20)?;
    lab.settle("20 files on c")?;
    fs::write(lab.nodes[0].tree.join("large.bin"), Random::new(4).bytes(TOO_LARGE_BYTES))?;
    fs::remove_file(lab.nodes[0].tree.join("3.txt"))?;
    others_go_on(&lab, "large.bin", "no room on")?;
    fs::write(lab.nodes[2].tree.join("7.txt"), b"edited on c while there is no room")?;
    fill(&volume)?;
    fs::write(lab.nodes[1].tree.join("5.txt"), b"edited on b while c is full")?;
    fs::create_dir(lab.nodes[0].tree.join("directory"))?;
    fs::write(lab.nodes[0].tree.join("directory/small.txt"), b"small")?;
    others_go_on(&lab, "directory/small.txt", "no room on")?;
    // What waits for room waits because there is none: that is said before who waits.
    until("c says late changes wait", || {
        let run = lab.nodes[2].run(&["status"])?;
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        match (said.find("no room on"), said.find(": waits: ")) {
            (Some(reason), Some(waits)) if reason < waits => Ok(Some(())),
            (_, Some(_)) => Err(lab.trouble("a full disk", &said)),
            _ => Ok(None),
        }
    })?;
    // However much waits for room, that is one line.
    let notices = lab.nodes[2].folder()?.notices;
    if notices.iter().filter(|notice| notice.text.contains("no room")).count() != 1 {
        return Err(lab.trouble("a full disk", &format!("{notices:?}")));
    }
    fs::remove_file(volume.top.join("filler"))?;
    volume.remount("size=64m")?;
    lab.settle("there is room again")?;
    until("c is well again", || Ok((lab.nodes[2].run(&["status"])?.code == 0).then_some(())))?;
    let notices = lab.nodes[2].folder()?.notices;
    if !notices.is_empty() {
        return Err(lab.trouble("beside \"all is well\"", &format!("{notices:?}")));
    }
    lab.nodes[1].ok(&["verify", FOLDER]).map(drop)
}

/// The filesystem under c's home has no room for its index: the folder stops there rather than go
/// on without memory, and when there is room it goes on by itself as if nothing had been.
pub fn full_home() -> Outcome {
    let mut lab = Lab::machines(&["a", "b", "c"])?;
    let volume = lab.small_home(2, "1m")?;
    lab.found()?;
    lab.join_others()?;
    lab.settle("three empty nodes")?;
    fs::create_dir(lab.nodes[0].tree.join("many"))?;
    grow::numbered(&lab.nodes[0].tree.join("many"), 3000)?;
    others_go_on(&lab, "many/2999.txt", "and it goes on by itself")?;
    fs::write(lab.nodes[2].tree.join("mine.txt"), b"written on c while it is stopped")?;
    volume.remount("size=64m")?;
    until("c's folder goes on by itself", || {
        Ok((lab.nodes[2].folder()?.state != FolderState::Stopped).then_some(()))
    })?;
    lab.meet()?;
    lab.settle("there is room again")?;
    crate::absence::no_conflicts(&lab)
}

/// Until the filesystem takes no further byte.
fn fill(volume: &Volume) -> Outcome {
    let mut filler = fs::File::create(volume.top.join("filler"))?;
    for length in [1 << 16, 1] {
        let block = vec![0; length];
        while filler.write_all(&block).is_ok() {}
    }
    Ok(())
}

/// The filesystem under c's tree finds an error in itself and becomes read-only under the daemon;
/// it is so still when the daemon is started again; then it is mended.
pub fn read_only() -> Outcome {
    let mut lab = Lab::machines(&["a", "b", "c"])?;
    let volume = lab.image_volume(2)?;
    lab.found()?;
    lab.join_others()?;
    grow::numbered(&lab.nodes[2].tree, 20)?;
    lab.settle("20 files on c")?;
    volume.remount("errors=remount-ro")?;
    // What was not yet on the disk would be lost with the journal: that is not this trial's matter.
    tool(&["sync", "-f", &lab.nodes[2].tree_text()])?;
    volume.break_down()?;
    let tree = &lab.nodes[0].tree;
    fs::write(tree.join("new.txt"), b"new while c is read-only")?;
    fs::rename(tree.join("3.txt"), tree.join("moved.txt"))?;
    fs::remove_file(tree.join("4.txt"))?;
    fs::write(tree.join("5.txt"), b"edited while c is read-only")?;
    others_go_on(&lab, "new.txt", "Read-only file system")?;
    lab.nodes[2].stop()?;
    lab.nodes[2].start()?;
    others_go_on(&lab, "new.txt", "Read-only file system")?;
    lab.nodes[2].stop()?;
    volume.unmount()?;
    volume.mend()?;
    volume.mount_image()?;
    lab.nodes[2].start()?;
    lab.meet()?;
    lab.settle("c can be written to again")?;
    lab.nodes[1].ok(&["verify", FOLDER]).map(drop)
}

/// A directory of c's tree that its user may not enter.
pub fn forbidden() -> Outcome {
    let mut lab = Lab::machines(&["a", "b", "c"])?;
    for node in &mut lab.nodes {
        chown(&node.place, Some(NOBODY), Some(NOBODY))?;
        chown(&node.tree, Some(NOBODY), Some(NOBODY))?;
        node.become_user(NOBODY)?;
    }
    lab.found()?;
    lab.join_others()?;
    let roots = lab.nodes[0].place.join("of-root");
    fs::create_dir(&roots)?;
    let add = ["folder", "add", "other", &roots.to_string_lossy()];
    lab.nodes[0].run(&add)?.refused(1, &["cannot write", "of-root"])?;
    lab.nodes[0].as_user("mkdir locked open && echo 1 > locked/1.txt && echo 1 > open/1.txt")?;
    lab.settle_after("two directories on a", &[0])?;
    let locked = lab.nodes[2].tree.join("locked");
    chown(&locked, Some(0), Some(0))?;
    let closed = fs::Permissions::from_mode(0o700);
    fs::set_permissions(&locked, closed)?;
    lab.nodes[0].as_user("echo 2 > locked/2.txt && echo 2 > open/2.txt")?;
    until("c has what lies in the open", || {
        Ok(lab.nodes[2].tree.join("open/2.txt").exists().then_some(()))
    })?;
    others_go_on(&lab, "locked/2.txt", "locked")?;
    if !lab.nodes[1].tree.join("locked/1.txt").exists() {
        return Err("what c cannot see counts as deleted".into());
    }
    chown(&locked, Some(NOBODY), Some(NOBODY))?;
    lab.settle("c may enter again")?;
    unreadable(&lab)
}

/// Who cannot read what was changed here has not told anybody, and does not say so.
fn unreadable(lab: &Lab) -> Outcome {
    let file = lab.nodes[2].tree.join("open/1.txt");
    fs::write(&file, b"edited by root, and for root alone")?;
    chown(&file, Some(0), Some(0))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    let wait = ["wait", FOLDER, "--timeout", "60s"];
    lab.nodes[2].run(&wait)?.refused(3, &["open/1.txt", "cannot be read"])?;
    chown(&file, Some(NOBODY), Some(NOBODY))?;
    lab.settle("c may read it again")
}

/// Thaws what was frozen, come what may: nothing on a frozen filesystem can be ended.
struct Frozen<'a>(&'a Volume);

impl Frozen<'_> {
    fn begin(volume: &Volume) -> Outcome<Frozen<'_>> {
        tool(&["fsfreeze", "-f", &volume.top.to_string_lossy()])?;
        Ok(Frozen(volume))
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let thawed = tool(&["fsfreeze", "-u", &self.0.top.to_string_lossy()]);
        if let Err(error) = thawed {
            eprintln!("e2e: cannot thaw: {}", error.message().unwrap_or("?"));
        }
    }
}

/// b's apply worker hangs in a system call while all else of it goes on: `wait` says who is
/// missing, and returns 0 when the operation is done.
pub fn frozen() -> Outcome {
    let mut lab = Lab::machines(&["a", "b", "c"])?;
    let volume = lab.image_volume(1)?;
    lab.found()?;
    lab.join_others()?;
    lab.settle("three empty nodes")?;
    let frozen = Frozen::begin(&volume)?;
    // A directory needs no content: b's apply worker is the only one that has to write.
    fs::create_dir(lab.nodes[0].tree.join("made"))?;
    until("c has it", || Ok(lab.nodes[2].tree.join("made").exists().then_some(())))?;
    lab.nodes[0].run(&["wait", FOLDER, "--timeout", "3s"])?.refused(5, &["b"])?;
    if lab.nodes[1].tree.join("made").exists() {
        return Err("a frozen filesystem took a change".into());
    }
    // It is the hands that hang, not the node.
    if lab.nodes[1].folder()?.pending == 0 || lab.nodes[0].connected()? != 2 {
        return Err(lab.trouble("b is frozen", "b shows nothing pending or has gone"));
    }
    drop(frozen);
    lab.settle_after("b goes on", &[0])
}

/// One byte flips under a file while its filesystem is not mounted: no time changes, so only
/// reading can tell. The start after it must not read: once it read what had not been synced yet,
/// took the flipped byte for an edit and sent it to all.
pub fn rotten() -> Outcome {
    let mut lab = Lab::machines(&["a", "b", "c"])?;
    let volume = lab.image_volume(1)?;
    lab.found()?;
    lab.join_others()?;
    let unique = Random::new(12).bytes(20_000);
    grow::numbered(&lab.nodes[0].tree, 20)?;
    fs::write(lab.nodes[0].tree.join("rots.bin"), &unique)?;
    lab.settle("21 files")?;
    lab.nodes[0].ok(&["verify", FOLDER])?;
    lab.nodes[1].stop()?;
    volume.unmount()?;
    flip(&volume.image, &unique[..64])?;
    volume.mount_image()?;
    lab.nodes[1].start()?;
    lab.meet()?;
    let run = lab.nodes[0].run(&["verify", FOLDER])?;
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let wanted = run.code == 3 && said.contains("rots.bin") && said.contains("differs on b");
    if !wanted || said.contains(".txt") {
        let words = format!("verify gave {}: {said:?} {}", run.code, run.stderr);
        return Err(lab.trouble("one flipped byte", &words));
    }
    // Nor is what rotted ever taken for an edit.
    for at in [0, 2] {
        if fs::read(lab.nodes[at].tree.join("rots.bin"))? != unique {
            return Err(lab.trouble("one flipped byte", "the rotten byte was sent on"));
        }
    }
    Ok(())
}

/// Flips a bit of the only place in the image that holds these bytes.
fn flip(image: &Path, unique: &[u8]) -> Outcome {
    let mut file = fs::File::options().read(true).write(true).open(image)?;
    let mut all = Vec::new();
    file.read_to_end(&mut all)?;
    let starts = (0..all.len()).step_by(512);
    let found: Vec<usize> = starts.filter(|&at| all[at..].starts_with(unique)).collect();
    let [at] = found[..] else {
        return Err(format!("the bytes lie at {found:?} in the image").into());
    };
    file.seek(SeekFrom::Start(at as u64))?;
    file.write_all(&[all[at] ^ 1])?;
    Ok(file.sync_all()?)
}
