//! What `cargo metadata` says about the workspace and everything that is linked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use crate::step::cargo;
use crate::{Failure, root};

/// A package, of the workspace or not.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: Option<String>,
    /// `None`: a path on this machine.
    pub(crate) source: Option<String>,
    /// The folder of its manifest, relative to the root where it lies below it.
    pub(crate) folder: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// An edge of the graph.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) id: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Linked, or run at build time.
    Normal,
    /// For tests only.
    Dev,
}

/// The whole graph, for Linux.
pub(crate) struct Graph {
    pub(crate) packages: BTreeMap<String, Package>,
    pub(crate) members: Vec<String>,
}

impl Graph {
    pub(crate) fn load() -> Result<Self, Failure> {
        let words = "metadata --format-version 1 --filter-platform x86_64-unknown-linux-gnu";
        let output = cargo(words).current_dir(root()).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let value: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        Ok(Self::read(&value))
    }

    fn read(value: &Value) -> Self {
        let mut packages = BTreeMap::new();
        for package in list(&value["packages"]) {
            let manifest = PathBuf::from(text(&package["manifest_path"]));
            let folder = manifest.parent().unwrap_or(&manifest);
            let read = Package {
                name: text(&package["name"]),
                version: text(&package["version"]),
                licence: package["license"].as_str().map(str::to_owned),
                source: package["source"].as_str().map(str::to_owned),
                folder: folder.strip_prefix(root()).unwrap_or(folder).to_path_buf(),
                dependencies: Vec::new(),
            };
            packages.insert(text(&package["id"]), read);
        }
        for node in list(&value["resolve"]["nodes"]) {
            let edges = list(&node["deps"]).iter().flat_map(edges).collect();
            if let Some(package) = packages.get_mut(&text(&node["id"])) {
                package.dependencies = edges;
            }
        }
        let members = list(&value["workspace_members"]).iter().map(text).collect();
        Self { packages, members }
    }

    /// The packages of the workspace.
    pub(crate) fn workspace(&self) -> impl Iterator<Item = &Package> {
        self.members.iter().filter_map(|id| self.packages.get(id))
    }

    /// Everything that the workspace builds, its tests included. `cargo metadata` names more than
    /// that (what a feature that is off would bring); `cargo tree` does not.
    pub(crate) fn built(&self) -> Result<Vec<&Package>, Failure> {
        let words = "tree --workspace --edges normal,build,dev --prefix none --format {p}";
        let output = cargo(words).current_dir(root()).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let tree = String::from_utf8_lossy(&output.stdout);
        let names: BTreeSet<(&str, &str)> = tree.lines().filter_map(name_and_version).collect();
        let is_built =
            |package: &&Package| names.contains(&(package.name.as_str(), package.version.as_str()));
        Ok(self.packages.values().filter(is_built).collect())
    }

    /// Everything that ends up in a program with this package, itself included.
    pub(crate) fn linked_with(&self, id: &str) -> Vec<&Package> {
        let mut found = BTreeMap::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let Some(package) = self.packages.get(id) else { continue };
            if found.insert(id, package).is_none() {
                let edges = package.dependencies.iter().filter(|edge| edge.kind == Kind::Normal);
                open.extend(edges.map(|edge| edge.id.as_str()));
            }
        }
        found.into_values().collect()
    }
}

/// `tokio v1.54.1 (*)` → `tokio`, `1.54.1`
fn name_and_version(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_whitespace();
    Some((words.next()?, words.next()?.strip_prefix('v')?))
}

fn edges(dependency: &Value) -> Vec<Dependency> {
    let id = text(&dependency["pkg"]);
    let kinds = list(&dependency["dep_kinds"]).iter().map(|kind| {
        let kind = if kind["kind"].as_str() == Some("dev") { Kind::Dev } else { Kind::Normal };
        Dependency { id: id.clone(), kind }
    });
    kinds.collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
