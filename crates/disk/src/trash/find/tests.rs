//! What is in the trash is found, and only that.

use crate::fs::Fs;
use crate::linux::Linux;
use crate::stage::digest_of;
use crate::trash::{Line, Trash};
use engine::path::{Name, RelPath};
use std::sync::Arc;

/// Story (simulator, `links=250 lacks=0`, seed 664): an operation had noted that it was about to
/// retire a content, and was not done, for something else stood there by then. Another had retired
/// that content just before; it was looked for under the number of the one that came to nothing,
/// and said to be nowhere: its author took it back, and it was in no tree and no conflict store.
#[test]
fn an_operation_that_came_to_nothing_hides_no_item() {
    let place = tempfile::tempdir().unwrap();
    let fs = Arc::new(Linux::new());
    let dirs = ["trash", "stage"].map(|name| place.path().join(name));
    dirs.iter().for_each(|dir| std::fs::create_dir(dir).unwrap());
    let [dir, stage] = dirs.each_ref().map(|dir| fs.open_root(dir).unwrap());
    let mut trash = Trash::open(fs.clone(), dir, 1).unwrap();
    let finder = trash.finder();
    let digest = digest_of(b"content");
    let line = |number| {
        let path = RelPath::parse(b"a").unwrap();
        Line { number, expected: Some(digest), incoming: None, keep: false, path }
    };
    trash.note(&[line(1), line(2), line(3)]).unwrap();
    assert!(finder.open(&digest).is_err(), "nothing was retired yet");
    std::fs::write(dirs[1].join("it"), b"content").unwrap();
    trash.retire((&stage, &Name::new(b"it").unwrap()), 2).unwrap();
    let found = finder.open(&digest).unwrap();
    assert_eq!(fs.stat_file(&found).unwrap().size, 7);
    assert!(finder.open(&digest_of(b"another")).is_err());
}
