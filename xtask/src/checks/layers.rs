//! The floors of the house: a crate uses the floors below its own, never one above.
//! The floor of a crate is its folder.

use crate::Failure;
use crate::metadata::{Graph, Kind, Package};

/// The folders, lowest first.
const FLOORS: [&str; 5] =
    ["crates/values", "crates/resources", "crates/judgement", "crates/services", "crates/postern"];

/// Edges between crates of the same floor, with the reason. Every other one is a fault.
const SAME_FLOOR: &[(&str, &str, &str)] = &[
    ("postern-message", "postern-types", "the words of mail are what every protocol speaks in"),
    ("postern-smtp", "postern-types", "the words of mail are what every protocol speaks in"),
    ("postern-pop3", "postern-types", "the words of mail are what every protocol speaks in"),
    ("postern-milter", "postern-types", "the words of mail are what every protocol speaks in"),
    ("postern-delegation", "postern-types", "the words of mail are what every protocol speaks in"),
    ("postern-gate", "postern-policy", "the collectors fill the evidence that policy defines"),
    ("postern-gate", "postern-dialup", "a collector asks for names, and has them scored"),
    ("postern-feedback", "postern-policy", "a verdict shows what a host was caught at"),
    ("postern-gate", "postern-probe", "a collector asks the one place from which connections are opened"),
    ("postern-gate", "postern-authentication", "a collector asks who stands behind the sender"),
];

/// What would make a crate of the lowest floor touch the world.
const NOT_IN_VALUES: [&str; 7] = ["tokio", "mio", "socket2", "rustls", "rusqlite", "hickory-proto", "nix"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Floor(usize),
    /// `crates/dev`: for tests, and for `postern try`.
    Dev,
    /// `xtask`: beside the house.
    Tasks,
}

fn place(package: &Package) -> Option<Place> {
    if package.folder.starts_with("crates/dev") {
        return Some(Place::Dev);
    }
    if package.folder.starts_with("xtask") {
        return Some(Place::Tasks);
    }
    FLOORS.iter().position(|floor| package.folder.starts_with(floor)).map(Place::Floor)
}

/// Whether `user` may depend on `used`, both of the workspace.
fn allowed(user: &Package, used: &Package, kind: Kind) -> bool {
    let (Some(from), Some(to)) = (place(user), place(used)) else { return false };
    match (from, to) {
        (Place::Floor(_), Place::Dev) => kind == Kind::Dev || user.folder.starts_with("crates/postern"),
        (Place::Floor(from), Place::Floor(to)) if from == to => {
            SAME_FLOOR.iter().any(|(a, b, _)| *a == user.name && *b == used.name)
        }
        (Place::Floor(from), Place::Floor(to)) => from > to,
        // What tests stand on must not stand on what they test.
        (Place::Dev, Place::Floor(to)) => to == 0,
        (Place::Tasks | Place::Dev, _) | (_, Place::Tasks) => false,
    }
}

pub(crate) fn check() -> Result<String, Failure> {
    let graph = Graph::load()?;
    let mut faults = Vec::new();
    let mut edges = 0;
    for id in &graph.members {
        let Some(user) = graph.packages.get(id) else { continue };
        match place(user) {
            None => faults.push(format!("{}: {} is no floor", user.name, user.folder.display())),
            Some(Place::Floor(0)) => faults.extend(touches_the_world(&graph, id)),
            Some(_) => {}
        }
        for dependency in &user.dependencies {
            let Some(used) = graph.packages.get(&dependency.id).filter(|p| p.source.is_none()) else {
                continue;
            };
            edges += 1;
            if !allowed(user, used, dependency.kind) {
                let (from, to) = (user.folder.display(), used.folder.display());
                faults.push(format!("{} ({from}) must not depend on {} ({to})", user.name, used.name));
            }
        }
    }
    super::verdict(&faults, format!("{} crates, {edges} edges, none goes up", graph.members.len()))
}

fn touches_the_world<'a>(graph: &'a Graph, id: &'a str) -> impl Iterator<Item = String> + 'a {
    let user = &graph.packages[id].name;
    let linked = graph.linked_with(id).into_iter();
    linked
        .filter(|package| NOT_IN_VALUES.contains(&package.name.as_str()))
        .map(move |package| format!("{user} is a value crate: no I/O, yet it links {}", package.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &str, name: &str) -> Package {
        Package {
            name: name.into(),
            version: "0.1.0".into(),
            licence: None,
            source: None,
            folder: folder.into(),
            dependencies: Vec::new(),
        }
    }

    #[test]
    fn edges_go_down() {
        let values = package("crates/values/smtp", "postern-smtp");
        let types = package("crates/values/types", "postern-types");
        let store = package("crates/resources/store", "postern-store");
        let service = package("crates/services/smtp", "postern-smtp-service");
        let binary = package("crates/postern", "postern");
        let dev = package("crates/dev/testnet", "postern-testnet");
        use Kind::{Dev, Normal};
        for (user, used, kind) in [
            (&service, &store, Normal),
            (&values, &types, Normal),
            (&store, &dev, Dev),
            (&binary, &dev, Normal),
            (&dev, &types, Normal),
        ] {
            assert!(allowed(user, used, kind), "{} {}", user.name, used.name);
        }
        for (user, used, kind) in [
            (&store, &service, Normal),
            (&store, &service, Dev),
            (&types, &values, Normal),
            (&store, &dev, Normal),
            (&dev, &store, Normal),
        ] {
            assert!(!allowed(user, used, kind), "{} {}", user.name, used.name);
        }
    }
}
