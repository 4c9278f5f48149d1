//! What `cargo sim` says of its arguments, and of the first of many seeds that fails.

use std::process::{Command, Output};

fn sim(arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.args(arguments.split(' ')).output().expect("it runs")
}

/// What is not understood, or not together, is refused before anything is run: it is no violation.
#[test]
fn what_means_nothing_is_refused() {
    let file = std::env::temp_dir().join(format!("sim-commands-{}.tsv", std::process::id()));
    let soak = format!("--soak {}", file.display());
    let refused = [
        "--nodes 0".to_string(),
        "3 nodes=1".to_string(),
        "--nodes".to_string(),
        format!("{soak} --minutes 1"),
        format!("{soak} --seeds 500 --mutant NoReassert"),
        format!("{soak} --seeds 500 nodes=1"),
    ];
    for arguments in refused {
        let said = sim(&arguments);
        assert_eq!(said.status.code(), Some(2), "{arguments}: {said:?}");
        assert!(!said.stderr.is_empty() && said.stdout.is_empty(), "{arguments}: {said:?}");
    }
    assert!(!file.exists(), "nothing was run");
}

#[test]
fn the_first_of_many_that_fails_is_told() {
    let said = sim("--seeds 8 --mutant NoReassert --whole");
    assert_eq!(said.status.code(), Some(1));
    let text = String::from_utf8_lossy(&said.stdout);
    let named = text.lines().find_map(|line| line.strip_prefix("seed ")).expect("one fails");
    let seed = named.split(':').next().expect("a number");
    let told = text.lines().skip_while(|line| !line.starts_with("cargo sim "));
    let told: Vec<_> = told.collect();
    assert!(told[0].starts_with(&format!("cargo sim {seed} nodes=")), "{}", told[0]);
    assert!(told[0].ends_with(" --mutant NoReassert"), "{}", told[0]);
    assert!(told.last().is_some_and(|line| line.starts_with("FAILED: ")), "{text}");
}
