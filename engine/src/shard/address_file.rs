//! What our addresses sent today, on disk: a small JSON file, replaced whole at each lease.
//!
//! It holds our own addresses and counts; nothing in it is about a person.

use ipreputation::{AddressUse, Day};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::IpAddr;
use std::path::Path;
use world::World;

/// Room for 65,535 addresses.
const FILE_BYTES_MAX: usize = 16 << 20;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub(super) struct AddressFileError {
    path: String,
    error: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    addresses: Vec<Entry>,
}

/// Days are counted from 1970-01-01, UTC.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    ip: IpAddr,
    day: u32,
    leased: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warming_again_since: Option<u32>,
}

/// What was saved; `None` where there is no file.
pub(super) fn load(world: &World, path: &Path) -> Result<Option<Vec<AddressUse>>, AddressFileError> {
    let bytes = match world.disk().read_to_vec(path, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(because(path, &error)),
    };
    let document: Document = serde_json::from_slice(&bytes).map_err(|error| because(path, &error))?;
    let of = |entry: Entry| AddressUse {
        ip: entry.ip,
        day: Day(entry.day),
        leased: entry.leased,
        warming_again_since: entry.warming_again_since.map(Day),
    };
    Ok(Some(document.addresses.into_iter().map(of).collect()))
}

/// Replaces the file; durable when it returns.
pub(super) fn save(world: &World, path: &Path, usage: &[AddressUse]) -> Result<(), AddressFileError> {
    let of = |usage: &AddressUse| Entry {
        ip: usage.ip,
        day: usage.day.0,
        leased: usage.leased,
        warming_again_since: usage.warming_again_since.map(|day| day.0),
    };
    let document = Document { addresses: usage.iter().map(of).collect() };
    let bytes = serde_json::to_vec(&document).map_err(|error| because(path, &error))?;
    world.disk().write_atomic(path, &bytes).map_err(|error| because(path, &error))
}

fn because(path: &Path, error: &dyn std::fmt::Display) -> AddressFileError {
    AddressFileError { path: path.display().to_string(), error: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use world::simulated::Simulation;

    #[test]
    fn what_is_saved_is_loaded() {
        let simulation = Simulation::new(1);
        let world = simulation.world();
        let (folder, path) = (Path::new("/s"), Path::new("/s/a.json"));
        world.disk().create_dir_all(folder).unwrap();
        assert_eq!(load(&world, path).unwrap(), None);
        let usage = |ip: &str, again: Option<u32>| AddressUse {
            ip: ip.parse().unwrap(),
            day: Day(20_000),
            leased: 7,
            warming_again_since: again.map(Day),
        };
        let saved = vec![usage("192.0.2.1", None), usage("2001:db8::1", Some(19_999))];
        save(&world, path, &saved).unwrap();
        assert_eq!(load(&world, path).unwrap(), Some(saved));
    }

    #[test]
    fn a_file_that_was_edited_wrongly_is_refused_with_its_path() {
        let simulation = Simulation::new(1);
        let world = simulation.world();
        world.disk().create_dir_all(Path::new("/s")).unwrap();
        let path = Path::new("/s/a.json");
        world.disk().write_atomic(path, b"{\"addresses\":[{\"ip\":\"192.0.2.1\",\"day\":1,\"leased\":-3}]}").unwrap();
        assert!(load(&world, path).unwrap_err().to_string().starts_with("/s/a.json: "));
    }
}
