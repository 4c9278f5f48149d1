//! Licence expressions as they are met in the field.

use super::is_allowed;

#[test]
fn expressions_are_judged_with_the_right_binding() {
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT/Apache-2.0", true),
        ("GPL-2.0/MIT", true),
        ("MIT OR Apache-2.0 OR LGPL-2.1-or-later", true),
        ("MIT AND GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT AND ISC", true),
        ("(GPL-3.0-only OR MIT) AND OpenSSL", false),
        ("ISC AND (Apache-2.0 OR ISC) AND (Apache-2.0 OR ISC OR MIT-0)", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0 WITH Made-up-exception", false),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
    ] {
        assert_eq!(is_allowed(expression), Ok(expected), "{expression}");
    }
}

#[test]
fn what_is_not_understood_is_an_error_and_never_a_yes() {
    for expression in ["", "MIT OR", "(MIT", "MIT)", "AND MIT", "MIT Apache-2.0", "MIT WITH"] {
        assert!(is_allowed(expression).is_err(), "{expression}");
    }
}
