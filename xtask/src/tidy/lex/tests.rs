//! What counts as code and what does not.

use super::{find_word, lines};

fn code(text: &str) -> Vec<String> {
    lines(text).into_iter().map(|line| line.code.trim_end().to_owned()).collect()
}

#[test]
fn the_inside_of_strings_and_characters_is_blank() {
    assert_eq!(code(r#"f("{ // }", '{', b'\'', '\u{7b}');"#)[0].matches(['{', '}']).count(), 0);
    assert_eq!(code(r####"f(r##"{ "# "##, br"{");"####)[0].matches('{').count(), 0);
    assert_eq!(code("f(\"a\n{\nb\") {"), ["f(\"", "", " \") {"]);
}

#[test]
fn lifetimes_labels_and_raw_identifiers_stay_code() {
    assert_eq!(code("fn f<'a>(x: &'a str) { 'out: loop {} }").len(), 1);
    assert_eq!(code("fn f<'a>(x: &'a str) {")[0], "fn f<'a>(x: &'a str) {");
    assert_eq!(code("let r#type = 1;")[0], "let r#type = 1;");
}

#[test]
fn comments_leave_the_code_and_keep_their_text() {
    let found = lines("let a = 1; // why {\n/* one /* two */ { */ let b = 2;");
    assert_eq!(found[0].code.trim_end(), "let a = 1;");
    assert_eq!(found[0].comment, "// why {");
    assert_eq!(found[1].code.trim(), "let b = 2;");
}

#[test]
fn a_word_is_found_only_whole() {
    assert_eq!(find_word("unsafe_code unsafe {", "unsafe"), Some(12));
    assert_eq!(find_word("unsafe_code", "unsafe"), None);
}
