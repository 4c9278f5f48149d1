//! Only the bytes of the digest leave, whatever happened to the file.

use super::{Refusal, Serve, Served, Whereabouts, WHOLE_BYTES_MAX};
use crate::apply::Apply;
use crate::fs::Fs;
use crate::linux::Linux;
use crate::stage::digest_of;
use engine::content::Digest;
use engine::engine::{Input, Origin};
use engine::limits::PIECE_BYTES_MAX;
use engine::message::{Piece, Want};
use engine::path::{Name, RelPath};
use std::path::Path;
use std::sync::Arc;

fn serve(place: &Path) -> (Arc<Linux>, Apply<Linux>, Serve<Linux>) {
    let fs = Arc::new(Linux::new());
    std::fs::create_dir_all(place.join("root/d")).unwrap();
    std::fs::create_dir_all(place.join("state")).unwrap();
    let root = fs.open_root(&place.join("root")).unwrap();
    let state = fs.open_root(&place.join("state")).unwrap();
    let apply = Apply::open(fs.clone(), root.clone(), &state, 0).unwrap();
    let serve = Serve::new(&apply);
    (fs, apply, serve)
}

fn seen(fs: &Linux, place: &Path) -> Whereabouts {
    let dir = fs.open_root(&place.join("root/d")).unwrap();
    let fingerprint = fs.stat(&dir, &Name::new(b"f").unwrap()).unwrap().fingerprint();
    Whereabouts::Tree { path: RelPath::parse(b"d/f").unwrap(), fingerprint }
}

#[test]
fn a_small_file_is_served_whole_or_in_part_and_gone_once_it_changed() {
    let place = tempfile::tempdir().unwrap();
    let (fs, _apply, serve) = serve(place.path());
    let file = place.path().join("root/d/f");
    std::fs::write(&file, b"content").unwrap();
    let (digest, there) = (digest_of(b"content"), seen(&fs, place.path()));
    let read = |from, length| serve.read(&digest, 7, &there, from, length).unwrap();
    assert_eq!(read(0, u64::MAX), Served::Bytes(b"content".to_vec()));
    assert_eq!(read(3, 2), Served::Bytes(b"te".to_vec()));
    assert_eq!(read(99, 2), Served::Bytes(Vec::new()));
    std::fs::write(&file, b"changed").unwrap();
    assert_eq!(read(0, 7), Served::Gone);
    let now = seen(&fs, place.path());
    assert_eq!(serve.read(&digest, 7, &now, 0, 7).unwrap(), Served::Gone, "the hash decides");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(read(0, 7), Served::Gone);
}

#[test]
fn a_large_file_is_served_in_ranges_and_gone_once_it_changed() {
    let place = tempfile::tempdir().unwrap();
    let (fs, _apply, serve) = serve(place.path());
    let file = place.path().join("root/d/f");
    let size = WHOLE_BYTES_MAX + 5;
    let bytes = vec![7; usize::try_from(size).unwrap()];
    std::fs::write(&file, &bytes).unwrap();
    let (digest, there) = (digest_of(&bytes), seen(&fs, place.path()));
    let read = |from, length| serve.read(&digest, size, &there, from, length).unwrap();
    assert_eq!(read(WHOLE_BYTES_MAX, 100), Served::Bytes(vec![7; 5]));
    let Served::Bytes(most) = read(0, u64::MAX) else { panic!("gone") };
    assert_eq!(most.len() as u64, WHOLE_BYTES_MAX);
    std::fs::write(&file, &bytes).unwrap();
    assert_eq!(read(0, 5), Served::Gone);
}

#[test]
fn no_symlink_leads_out_of_the_root() {
    let place = tempfile::tempdir().unwrap();
    let (fs, _apply, serve) = serve(place.path());
    std::fs::create_dir(place.path().join("outside")).unwrap();
    std::fs::write(place.path().join("outside/f"), b"secret").unwrap();
    let dir = fs.open_root(&place.path().join("outside")).unwrap();
    let fingerprint = fs.stat(&dir, &Name::new(b"f").unwrap()).unwrap().fingerprint();
    std::fs::remove_dir(place.path().join("root/d")).unwrap();
    std::os::unix::fs::symlink("../outside", place.path().join("root/d")).unwrap();
    let there = Whereabouts::Tree { path: RelPath::parse(b"d/f").unwrap(), fingerprint };
    assert_eq!(serve.read(&digest_of(b"secret"), 6, &there, 0, 6).unwrap(), Served::Gone);
}

#[test]
fn staged_content_is_served_before_it_is_installed() {
    let place = tempfile::tempdir().unwrap();
    let (_fs, apply, serve) = serve(place.path());
    let digest = digest_of(b"passing on");
    apply.stage().put_whole(digest, b"passing on").unwrap();
    let served = serve.read(&digest, 10, &Whereabouts::Staged, 0, 10).unwrap();
    assert_eq!(served, Served::Bytes(b"passing on".to_vec()));
    assert_eq!(serve.read(&digest, 10, &Whereabouts::Kept, 0, 10).unwrap(), Served::Gone);
}

/// Denied is only what can lie nowhere else; whoever asks is told so once, and for all.
#[test]
fn what_is_refused_is_denied_only_where_it_would_have_lain_last() {
    let place = tempfile::tempdir().unwrap();
    let (fs, _apply, serve) = serve(place.path());
    let file = place.path().join("root/d/f");
    std::fs::write(&file, b"content").unwrap();
    let there = seen(&fs, place.path());
    let want = |digest: Digest| Want { digest, size: 7, offset: 0, deep: false };
    let piece = |text: &[u8], there: &Whereabouts, offset| {
        serve.piece(&want(digest_of(text)), there, offset)
    };
    let refused = |is_nowhere, path: Option<&[u8]>| {
        let doubted = path.map(|path| RelPath::parse(path).unwrap());
        Err(Refusal { is_nowhere, doubted })
    };
    let whole =
        Piece { digest: digest_of(b"content"), size: 7, offset: 0, bytes: b"content".to_vec() };
    assert_eq!(piece(b"content", &there, 0), Ok(whole));
    assert_eq!(piece(b"another", &there, 0), refused(false, Some(b"d/f")));
    assert_eq!(piece(b"content", &there, 7), refused(false, Some(b"d/f")), "nothing is no piece");
    for (whereabouts, is_nowhere) in
        [(Whereabouts::Staged, false), (Whereabouts::Kept, true), (Whereabouts::Trash, true)]
    {
        assert_eq!(piece(b"content", &whereabouts, 0), refused(is_nowhere, None));
    }
}

/// Story (simulator, seed 4396): a file could not be read when it was displaced, and stayed in
/// staging until the next look; meanwhile its node denied its content, and it was given up.
#[test]
fn nothing_is_denied_while_something_displaced_was_not_looked_at() {
    let place = tempfile::tempdir().unwrap();
    drop(serve(place.path()));
    let writer = std::fs::File::create(place.path().join("state/stage/aside-1")).unwrap();
    let (_fs, mut apply, serve) = serve(place.path());
    let want = Want { digest: digest_of(b"content"), size: 7, offset: 0, deep: true };
    let is_denied =
        |serve: &Serve<Linux>| serve.piece(&want, &Whereabouts::Trash, 0).unwrap_err().is_nowhere;
    assert!(!is_denied(&serve), "its writer may have written just that");
    let not_sure = Input::NotStaged(vec![want.digest]);
    assert_eq!(serve.copy(want.digest, 7, Origin::Trash), [not_sure], "nor by itself");
    apply.revisit().unwrap();
    assert!(!is_denied(&serve), "it still has a writer");
    drop(writer);
    apply.revisit().unwrap();
    assert!(is_denied(&serve));
    let sure = Input::NotHere(vec![want.digest]);
    assert_eq!(serve.copy(want.digest, 7, Origin::Trash), [sure]);
}

#[test]
fn an_empty_content_is_one_empty_piece_and_a_large_one_comes_in_several() {
    let place = tempfile::tempdir().unwrap();
    let (_fs, apply, serve) = serve(place.path());
    let bytes = vec![7; PIECE_BYTES_MAX + 1];
    for bytes in [&[][..], &bytes] {
        let (digest, size) = (digest_of(bytes), bytes.len() as u64);
        apply.stage().put_whole(digest, bytes).unwrap();
        let want = Want { digest, size, offset: 0, deep: false };
        let piece = |offset| serve.piece(&want, &Whereabouts::Staged, offset).unwrap().bytes;
        let first = piece(0);
        assert_eq!(first.len(), bytes.len().min(PIECE_BYTES_MAX));
        if first.len() < bytes.len() {
            assert_eq!(piece(first.len() as u64), [7]);
        }
    }
}
