//! What is a name, and in which order paths stand.

use super::{Name, NameError, RelPath};

#[test]
fn a_name_is_refused_for_what_could_escape_or_break() {
    for (bytes, error) in [
        (&b""[..], NameError::Empty),
        (b".", NameError::Dots),
        (b"..", NameError::Dots),
        (b"a/b", NameError::ForbiddenByte),
        (b"a\0b", NameError::ForbiddenByte),
        (&[b'x'; 256], NameError::TooLong),
    ] {
        assert_eq!(Name::new(bytes), Err(error), "{bytes:?}");
    }
    for bytes in [&b"a"[..], b"...", b" ", b"new\nline", b"\xff\xfe", &[b'x'; 255]] {
        assert_eq!(Name::new(bytes).unwrap().as_bytes(), bytes);
    }
}

#[test]
fn a_directory_comes_before_its_contents_and_siblings_stay_together() {
    let mut paths: Vec<_> = [&b"a.txt"[..], b"a/z", b"a", b"", b"a/b/c", b"a/b", b"a-b"]
        .map(|p| RelPath::parse(p).unwrap())
        .to_vec();
    paths.sort();
    let shown: Vec<_> = paths.iter().map(ToString::to_string).collect();
    // `status` said "www: : waits" of the folder's own directory.
    assert_eq!(shown, [".", "a", "a/b", "a/b/c", "a/z", "a-b", "a.txt"]);
}

#[test]
fn a_path_is_refused_unless_clean_and_relative() {
    for bytes in [&b"/a"[..], b"a/", b"a//b", b"../a", b"a/./b", b"a/..", b"a\0"] {
        assert!(RelPath::parse(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_shown_name_cannot_forge_a_line() {
    let name = Name::new(b"a\nroot\x1b[2J\xff").unwrap();
    assert_eq!(name.to_string(), "a\\nroot\\u{1b}[2J\\xff");
}
