//! Words and paths that must not be committed.

use super::super::Source;
use super::check;

fn count(path: &str, text: &str) -> usize {
    check(&Source { path: path.to_owned(), text: text.to_owned() }).len()
}

#[test]
fn unfinished_work_is_caught_in_code_comments_scripts_and_prose() {
    for word in ["TODO", "FIXME", "XXX", "HACK"] {
        assert_eq!(count("a.rs", &format!("//! Head.\n// {word}: later\n")), 1);
        assert_eq!(count("a.sh", &format!("# {word} later\n")), 1);
        assert_eq!(count("a.md", &format!("Then {word}.\n")), 1);
    }
}

#[test]
fn a_word_inside_a_longer_one_a_string_or_a_code_span_is_no_fault() {
    assert_eq!(count("a.rs", "const A: &str = \"TODO\"; // XXXL HACKER\n"), 0);
    assert_eq!(count("a.md", "The word `TODO` is refused.\n"), 0);
}

#[test]
fn a_machine_path_is_caught_in_any_text() {
    for directory in ["work", "root", "home"] {
        assert_eq!(count("a.toml", &format!("path = \"/{directory}/someone/tree\"\n")), 1);
        assert_eq!(count("a.rs", &format!("//! See `/{directory}/x`.\n")), 1);
    }
}

#[test]
fn a_path_that_only_contains_the_name_of_a_machine_path_is_no_fault() {
    for text in ["crates/work/src", "https://example.org/root/page", "$DIR/root/x"] {
        assert_eq!(count("a.md", text), 0, "{text}");
    }
    let homes = ["/", "home/"].concat();
    assert_eq!(count("a.md", &format!("What lies under {homes} is the user's.")), 0);
}
