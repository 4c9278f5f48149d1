//! The page that documents what `--json` prints keeps up with what is printed.

#[test]
fn the_page_names_every_key_with_its_type() {
    let page = include_str!("../../../../docs/json.md");
    let mut section = "";
    let mut keys = 0;
    for line in include_str!("../view.rs").lines() {
        if let Some(name) = line.strip_prefix("pub struct ") {
            let name = name.trim_end_matches(" {");
            let heads = [format!("\n## {name}\n"), format!("\n## {name}: ")];
            let start = heads.iter().find_map(|head| page.find(head));
            let start = start.unwrap_or_else(|| panic!("{name} has no section"));
            section = &page[start + 1..];
            section = &section[..section.find("\n## ").unwrap_or(section.len())];
        } else if let Some(field) = line.strip_prefix("    pub ") {
            let key = field.split(':').next().unwrap();
            assert!(section.contains(&format!("* `{key}` (")), "{key} in {section}");
            keys += 1;
        }
    }
    assert!(keys > 70, "{keys} keys were found");
}
