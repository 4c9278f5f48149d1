//! Settings: defaults, what is refused and where, and changes that keep what a person wrote.

use super::{duration_ms, Config, ConfigFile, Delay, FolderConfig, Http, NodeSettings};
use std::path::Path;

fn error(text: &str) -> String {
    Config::parse(text, Path::new("c.toml")).unwrap_err().to_string()
}

#[test]
fn an_empty_file_is_the_contract_s_default() {
    let config = Config::parse("", Path::new("c.toml")).unwrap();
    assert_eq!(config.listen.to_string(), "0.0.0.0:7420");
    assert_eq!(config.http.to_string(), "127.0.0.1:7421");
    assert!(config.folders.is_empty() && config.advertise.is_empty());
}

#[test]
fn a_wrong_key_or_value_names_the_line() {
    let unknown = error("name = \"a\"\n\nlisen = \"x\"\n");
    assert!(unknown.contains("line 3") && unknown.contains("lisen"), "{unknown}");
    let inner = error("[[folder]]\nname = \"w\"\npath = \"/w\"\ncolour = 1\n");
    assert!(inner.contains("line 4") && inner.contains("colour"), "{inner}");
    assert!(error("listen = \"here\"").contains("line 1"));
    assert!(error("http = \"of\"").contains("neither ADDR:PORT nor off"));
    assert!(error("a = [\n").contains("line"));
}

/// The page for people shows every key there is, and nothing that is none.
#[test]
fn the_settings_page_names_every_key() {
    let page = include_str!("../../../../docs/running.md");
    let start = page.find("```toml\n").unwrap() + "```toml\n".len();
    let shown = &page[start..start + page[start..].find("```").unwrap()];
    Config::parse(shown, Path::new("running.md")).unwrap();
    let source = include_str!("../config.rs");
    let keys = |from: &str| {
        let body = &source[source.find(from).unwrap()..];
        let body = &body[..body.find("\n}").unwrap()];
        let fields = body.lines().filter_map(|line| line.strip_prefix("    pub "));
        fields.map(|field| field.split(':').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut all = keys("pub struct Config {");
    all.retain(|key| key != "folders");
    all.extend(keys("pub struct FolderConfig {"));
    assert!(all.len() >= 8, "{all:?}");
    for key in all {
        assert!(shown.contains(&format!("\n{key} = ")), "{key} is not shown");
    }
}

#[test]
fn folders_must_be_absolute_distinct_and_apart() {
    let two = |a: &str, b: &str, c: &str| {
        format!("[[folder]]\nname='x'\npath='{a}'\n[[folder]]\nname='{b}'\npath='{c}'\n")
    };
    assert!(error(&two("w", "y", "/z")).contains("absolute"));
    assert!(error(&two("/w", "x", "/z")).contains("twice"));
    assert!(error(&two("/w", "y", "/w/z")).contains("inside one another"));
    assert!(Config::parse(&two("/w", "y", "/wz"), Path::new("c")).is_ok());
}

#[test]
fn a_change_keeps_comments_and_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    let before = "# mine\nname = \"a\" # short\n\n# the site\n[[folder]]\nname = \"web\"\n\
                  path = \"/w\"\n";
    std::fs::write(&path, before).unwrap();
    let mut file = ConfigFile::open(&path).unwrap();
    file.set_node(&NodeSettings {
        name: Some("b".to_owned()),
        http: Some(Http::Off),
        ..NodeSettings::default()
    });
    let mail = FolderConfig {
        name: "mail".to_owned(),
        path: "/m".into(),
        delay: Delay(1500),
        paused: false,
    };
    file.put_folder(&mail);
    let config = file.save().unwrap();
    assert_eq!(config.folder("mail"), Some(&mail));
    let after = std::fs::read_to_string(&path).unwrap();
    for kept in ["# mine\nname = \"b\" # short\n", "# the site\n[[folder]]\nname = \"web\"\n"] {
        assert!(after.contains(kept), "{after}");
    }
    let mut file = ConfigFile::open(&path).unwrap();
    assert!(file.remove_folder("mail") && !file.remove_folder("mail"));
    assert_eq!(file.save().unwrap().folders.len(), 1);
}

#[test]
fn a_change_that_makes_no_sense_leaves_the_file_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    std::fs::write(&path, "name = \"a\"\n").unwrap();
    let mut file = ConfigFile::open(&path).unwrap();
    file.set_node(&NodeSettings { advertise: vec!["nowhere".into()], ..NodeSettings::default() });
    assert!(file.save().unwrap_err().to_string().contains("HOST:PORT"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "name = \"a\"\n");
}

#[test]
fn durations_are_a_number_and_a_unit() {
    assert_eq!(duration_ms("250ms"), Some(250));
    assert_eq!(duration_ms("30"), Some(30_000));
    assert_eq!(duration_ms("1h"), Some(3_600_000));
    assert_eq!(duration_ms("h"), None);
    assert_eq!(duration_ms("1w"), None);
    assert_eq!(duration_ms("99999999999999999999d"), None);
}
