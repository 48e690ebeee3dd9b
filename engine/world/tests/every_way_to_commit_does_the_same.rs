//! Whatever way a disk has: the bytes lie where they belong, in order, and what fails is named.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic")]

use std::path::Path;
use world::{CommitMethod, DurableWrite, OpenMode, World};

const METHODS: [CommitMethod; 3] = [CommitMethod::Pwrite, CommitMethod::Pwritev2, CommitMethod::IoUring];

#[test]
fn bytes_of_two_files_are_written_by_every_method() {
    let world = World::real();
    let folder = tempfile::tempdir().unwrap();
    for method in METHODS {
        let mut committer = match world.disk().committer(method) {
            Ok(committer) => committer,
            Err(error) => {
                eprintln!("skipped {method}: {error}");
                continue;
            }
        };
        assert_eq!(committer.method(), method);
        let open = |name: &str| world.disk().open(&folder.path().join(format!("{name}-{method}")), OpenMode::CreateNew).unwrap();
        let (work, record) = (open("work"), open("record"));
        for round in 0..20u64 {
            let (payload, head) = (vec![round as u8; 3000], [round as u8; 100]);
            let has_unsynced = round % 3 == 0;
            if has_unsynced {
                work.write_all_at(b"lazy", 100_000).unwrap();
            }
            let writes = [
                DurableWrite { file: &*work, bytes: &payload, offset: 3000 * round, has_unsynced },
                DurableWrite { file: &*record, bytes: &head, offset: 100 * round, has_unsynced: false },
            ];
            committer.commit(&writes).unwrap();
        }
        committer.commit(&[DurableWrite { file: &*record, bytes: &[], offset: 0, has_unsynced: true }]).unwrap();
        committer.commit(&[]).unwrap();
        let mut read = [0; 3000];
        work.read_exact_at(&mut read, 3000 * 19).unwrap();
        assert!(read.iter().all(|byte| *byte == 19));
        assert_eq!((work.len().unwrap(), record.len().unwrap()), (100_004, 2000));
    }
}

#[test]
fn what_cannot_be_written_is_named_by_every_method() {
    let world = World::real();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    world.disk().write_atomic(&path, b"old").unwrap();
    let (good, bad) = (world.disk().open(&path, OpenMode::ReadWrite).unwrap(), world.disk().open(&path, OpenMode::Read).unwrap());
    for method in METHODS {
        let Ok(mut committer) = world.disk().committer(method) else { continue };
        let write = |file| DurableWrite { file, bytes: b"new", offset: 0, has_unsynced: false };
        let fault = committer.commit(&[write(&*good), write(&*bad)]).unwrap_err();
        assert_eq!((fault.write, fault.action), (1, "write"), "{method}: {}", fault.source);
    }
}

#[test]
fn a_simulated_disk_has_the_plain_way_alone() {
    let simulation = world::simulated::Simulation::new(1);
    let world = simulation.world();
    let file = world.disk().open(Path::new("/file"), OpenMode::Create).unwrap();
    let mut committer = world.disk().committer(CommitMethod::Pwrite).unwrap();
    committer.commit(&[DurableWrite { file: &*file, bytes: b"here", offset: 2, has_unsynced: false }]).unwrap();
    assert_eq!(world.disk().read_to_vec(Path::new("/file"), 10).unwrap(), b"\0\0here");
    let refused = world.disk().committer(CommitMethod::IoUring).err().unwrap();
    assert_eq!(refused.kind(), std::io::ErrorKind::Unsupported);
}
