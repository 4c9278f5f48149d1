//! A root that is not what it was stops its folder, and nobody else loses anything.

use std::fs;
use std::path::Path;

use crate::grow;
use crate::lab::{tool, until, Lab, Outcome};
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
