//! Lines come back as they were written; torn and foreign ones are left out.

use super::Line;
use engine::content::Digest;
use engine::path::{Name, RelPath};
use proptest::prelude::{any, prop, proptest};

/// What version 1 wrote: the text never changes.
const FIRST: &str = "7 \
    0101010101010101010101010101010101010101010101010101010101010101 - a%20b/c%0ad%25\n";

#[test]
fn the_first_version_s_line_is_read_and_written_the_same() {
    let path = RelPath::parse(b"a b/c\nd%").unwrap();
    let expected = Some(Digest([1; 32]));
    let line = Line { number: 7, expected, incoming: None, keep: false, path };
    assert_eq!(parse(FIRST), Some(line.clone()));
    assert_eq!(line.to_text(), FIRST);
}

fn parse(text: &str) -> Option<Line> {
    Line::parse(text.strip_suffix('\n').unwrap().as_bytes())
}

proptest! {
    #[test]
    fn any_bytes_are_a_line_or_none(bytes in any::<Vec<u8>>()) {
        if let Some(line) = Line::parse(&bytes) {
            assert_eq!(parse(&line.to_text()), Some(line));
        }
    }

    #[test]
    fn a_line_comes_back_with_any_path(
        number in any::<u64>(),
        expected in any::<Option<[u8; 32]>>(),
        keep in any::<bool>(),
        names in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..255), 1..4),
    ) {
        let names = names.iter().filter_map(|name| Name::new(name).ok());
        let path = RelPath::from_names(names.collect());
        let expected = expected.map(Digest);
        let line = Line { number, expected, incoming: None, keep, path };
        assert_eq!(parse(&line.to_text()), Some(line));
    }
}
