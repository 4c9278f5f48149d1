//! A root that is not what it was stops its folder, and nobody else loses anything.

use std::fs;
use std::path::Path;

use crate::grow;
use crate::lab::{tool, until, Lab, Outcome, FOLDER};
use node::view::FolderState;

fn start() -> Outcome<Lab> {
    let lab = Lab::three()?;
    grow::numbered(&lab.nodes[0].tree, 20)?;
    lab.settle("20 files")?;
    Ok(lab)
}

/// c is started on a root that is wrong; a and b keep everything; put right, c works again.
fn wrong_root(lab: &mut Lab, what: &str, put_right: impl FnOnce(&mut Lab) -> Outcome) -> Outcome {
    lab.nodes[2].start()?;
    let folder = until(&format!("{what}: the folder stops"), || {
        let folder = lab.nodes[2].folder()?;
        Ok((folder.state == FolderState::Stopped).then_some(folder))
    })?;
    if folder.state_reason.is_none_or(|why| why.is_empty()) {
        return Err(lab.trouble(what, "stopped without a reason"));
    }
    lab.meet()?;
    fs::write(lab.nodes[0].tree.join("meanwhile.txt"), b"meanwhile")?;
    until("b has what a wrote meanwhile", || {
        Ok(lab.nodes[1].tree.join("meanwhile.txt").exists().then_some(()))
    })?;
    for at in [0, 1] {
        let count = fs::read_dir(&lab.nodes[at].tree)?.count();
        if count != 21 {
            return Err(lab.trouble(what, &format!("{count} files on {}", lab.nodes[at].name)));
        }
    }
    lab.nodes[2].stop()?;
    put_right(lab)?;
    lab.nodes[2].start()?;
    lab.meet()?;
    lab.settle(&format!("{what}: put right"))
}

fn aside(tree: &Path) -> std::path::PathBuf {
    tree.with_file_name("aside")
}

/// The directory is not there.
pub fn missing() -> Outcome {
    let mut lab = start()?;
    lab.nodes[2].stop()?;
    let tree = lab.nodes[2].tree.clone();
    fs::rename(&tree, aside(&tree))?;
    wrong_root(&mut lab, "root missing", |_| Ok(fs::rename(aside(&tree), &tree)?))
}

/// The directory is there, new and empty.
pub fn emptied() -> Outcome {
    let mut lab = start()?;
    lab.nodes[2].stop()?;
    let tree = lab.nodes[2].tree.clone();
    fs::rename(&tree, aside(&tree))?;
    fs::create_dir(&tree)?;
    wrong_root(&mut lab, "root replaced by an empty directory", |_| {
        fs::remove_dir(&tree)?;
        Ok(fs::rename(aside(&tree), &tree)?)
    })
}

/// All of it is gone, the directory itself stayed.
pub fn cleared() -> Outcome {
    let mut lab = start()?;
    lab.nodes[2].stop()?;
    let tree = lab.nodes[2].tree.clone();
    fs::create_dir(aside(&tree))?;
    let all = |from: &Path, to: &Path| -> Outcome {
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            fs::rename(from.join(&name), to.join(&name))?;
        }
        Ok(())
    };
    all(&tree, &aside(&tree))?;
    wrong_root(&mut lab, "root emptied", |_| all(&aside(&tree), &tree))
}

/// Another filesystem lies over it: a disk that was not mounted, the other way round.
pub fn foreign() -> Outcome {
    let mut lab = start()?;
    lab.nodes[2].stop()?;
    let tree = lab.nodes[2].tree.clone();
    lab.mount(&tree)?;
    fs::write(tree.join("stranger.txt"), b"of another filesystem")?;
    wrong_root(&mut lab, "another filesystem over the root", |lab| {
        tool(&["umount", &tree.to_string_lossy()])?;
        lab.unmounted(&tree);
        Ok(())
    })
}

/// While nothing changes inside a root, no event tells that another directory took its place: the
/// folder went on in the hidden one, b's status said "all is well" and `wait` on a "everything is
/// on c", for as long as nobody changed anything on c.
pub fn displaced() -> Outcome {
    let mut lab = Lab::machines(&["a", "b", "c"])?;
    let volume = lab.small_volume(2, "64m")?;
    let (real, shown) = (volume.top.clone(), lab.nodes[2].place.join("shown"));
    fs::create_dir(&shown)?;
    bind(&real, &shown)?;
    lab.nodes[2].tree = shown.join("tree");
    lab.found()?;
    lab.join_others()?;
    grow::numbered(&lab.nodes[0].tree, 20)?;
    lab.settle("20 files")?;
    let tree = lab.nodes[2].tree.clone();
    let back = || Ok(fs::rename(aside(&tree), &tree)?);
    let away = |then: &dyn Fn() -> Outcome| {
        fs::rename(&tree, aside(&tree))?;
        then()
    };
    let path = tree.to_string_lossy().into_owned();
    displace(&lab, "renamed", &aside(&tree), &|| away(&|| Ok(())), &back)?;
    displace(
        &lab,
        "an empty directory in its place",
        &aside(&tree),
        &|| away(&|| Ok(fs::create_dir(&tree)?)),
        &|| fs::remove_dir(&tree).map_err(Into::into).and_then(|()| back()),
    )?;
    let copy = || tool(&["cp", "-a", &aside(&tree).to_string_lossy(), &path]).map(drop);
    displace(&lab, "a copy in its place", &aside(&tree), &|| away(&copy), &|| {
        fs::remove_dir_all(&tree).map_err(Into::into).and_then(|()| back())
    })?;
    displace(
        &lab,
        "another filesystem over it",
        &real.join("tree"),
        &|| tool(&["mount", "-t", "tmpfs", "-o", "size=1m", "syncline-e2e", &path]).map(drop),
        &|| tool(&["umount", &path]).map(drop),
    )?;
    displace(
        &lab,
        "its filesystem detached",
        &real.join("tree"),
        &|| tool(&["umount", "-l", &shown.to_string_lossy()]).map(drop),
        &|| bind(&real, &shown),
    )
}

fn bind(real: &Path, shown: &Path) -> Outcome {
    tool(&["mount", "--bind", &real.to_string_lossy(), &shown.to_string_lossy()]).map(drop)
}

/// Something is done to c's root under the running daemon. Nobody says that all is well, nothing is
/// written where the root is `hidden` now, and put back it has everything.
fn displace(
    lab: &Lab,
    what: &str,
    hidden: &Path,
    act: &dyn Fn() -> Outcome,
    put_back: &dyn Fn() -> Outcome,
) -> Outcome {
    act()?;
    lab.nodes[0].run(&["wait", FOLDER, "--timeout", "1s"])?.refused(5, &["c ("])?;
    let named = format!("{}.txt", what.replace(' ', "-"));
    fs::write(lab.nodes[0].tree.join(&named), b"written while c's root is not in place")?;
    until(&format!("{what}: the folder stops"), || {
        let folder = lab.nodes[2].folder()?;
        Ok((folder.state == FolderState::Stopped).then_some(()))
    })?;
    until("b has what a wrote", || Ok(lab.nodes[1].tree.join(&named).exists().then_some(())))?;
    lab.nodes[0].run(&["wait", FOLDER, "--timeout", "1s"])?.refused(5, &["c"])?;
    for command in ["wait", "verify"] {
        lab.nodes[2].run(&[command, FOLDER])?.refused(3, &["has stopped"])?;
    }
    if hidden.join(&named).exists() {
        return Err(lab.trouble(what, "a change went into the hidden directory"));
    }
    put_back()?;
    lab.settle(what)
}
