//! Where the material is.

use std::path::{Path, PathBuf};

use yaml_rust2::{Yaml, YamlLoader};

/// A file of the material under `$POSTERN_TEST_DATA`, else beside the workspace. `None`, with a line that
/// says so, where it is not there.
pub(crate) fn find(file: &str) -> Option<PathBuf> {
    let named = std::env::var_os("POSTERN_TEST_DATA").map(PathBuf::from);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let places = [named, Some(workspace.join("target/test-data")), Some(workspace.join("../shared/data"))];
    let found = places.into_iter().flatten().map(|place| place.join(file)).find(|path| path.exists());
    if found.is_none() {
        eprintln!(
            "skipped: {file} is not there; `cargo xtask test` fetches it, POSTERN_TEST_DATA names its folder"
        );
    }
    found
}

/// The documents of a YAML text.
pub(crate) fn yaml(text: &str) -> Vec<Yaml> {
    YamlLoader::load_from_str(text).unwrap()
}

/// A scalar as text; nothing as the empty text.
pub(crate) fn text(yaml: &Yaml) -> String {
    match yaml {
        Yaml::String(text) | Yaml::Real(text) => text.clone(),
        Yaml::Integer(number) => number.to_string(),
        Yaml::Null | Yaml::BadValue => String::new(),
        Yaml::Boolean(value) => value.to_string(),
        other => panic!("no scalar: {other:?}"),
    }
}

/// The entries of a map.
pub(crate) fn entries(yaml: &Yaml) -> impl Iterator<Item = (String, &Yaml)> {
    yaml.as_hash().into_iter().flatten().map(|(key, value)| (text(key), value))
}
