//! Patterns as a table.

use super::Glob;

#[test]
fn patterns_match_what_people_expect() {
    for (pattern, path, expected) in [
        ("*.php", "index.php", true),
        ("*.php", "wp-content/a/index.php", true),
        ("*.php", "index.php.bak", false),
        ("wp-*/*.php", "wp-content/x.php", true),
        ("wp-*/*.php", "wp-content/a/x.php", false),
        ("wp-content/**", "wp-content/a/x.php", true),
        ("wp-content/**", "wp-contents/a", false),
        ("**/x.php", "x.php", true),
        ("**/x.php", "a/b/x.php", true),
        ("**/x.php", "a/yx.php", false),
        ("a/**/b", "a/b", true),
        ("a/**/b", "a/1/2/b", true),
        ("a/**/b", "a/1/2b", false),
        ("/a", "a", true),
        ("?", "é", true),
        ("a?c", "a/c", false),
        ("**", "anything/at/all", true),
        ("", "a", false),
        ("a**z", "a/b/z", true),
    ] {
        assert_eq!(Glob::new(pattern).matches(path), expected, "{pattern} on {path}");
    }
}

#[test]
fn a_pattern_of_many_stars_is_not_slow() {
    let path = "a".repeat(4000);
    assert!(!Glob::new(&"*a".repeat(60)).matches(&format!("{path}b")));
}
