//! The generated pages under `docs/reference` say what the code says.

use std::path::Path;

use crate::{intendant, repository};

#[test]
fn reference_pages() {
    let folder = repository().join("docs/reference");
    let output = intendant(Path::new("."), &["reference"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut stale = Vec::new();
    for page in text.split("\u{c}").filter(|page| !page.trim().is_empty()) {
        let (name, content) = page.trim_start().split_once('\n').unwrap();
        let path = folder.join(name);
        if std::env::var("UPDATE").is_ok_and(|update| update == "1") {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, content).unwrap();
        } else if std::fs::read_to_string(&path).ok().as_deref() != Some(content) {
            stale.push(name.to_owned());
        }
    }
    assert!(stale.is_empty(), "out of date: {stale:?}; run `cargo xtask gen`");
}
