//! Files on the real disk: modes, atomic replacement, preallocation, locks.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use world::{OpenMode, World};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it exists").permissions().mode() & 0o777
}

#[test]
fn files_and_directories_belong_to_the_engine_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (world, inner) = (World::real(), folder.path().join("a/b"));
    let disk = world.disk();
    disk.create_dir_all(&inner).unwrap();
    disk.create_dir_all(&inner).unwrap();
    assert_eq!(disk.open(&inner.join("file"), OpenMode::Read).map(|_| ()).unwrap_err().kind(), ErrorKind::NotFound);
    disk.open(&inner.join("file"), OpenMode::CreateNew).unwrap();
    assert_eq!(disk.open(&inner.join("file"), OpenMode::CreateNew).map(|_| ()).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!((mode(&inner), mode(&folder.path().join("a")), mode(&inner.join("file"))), (0o700, 0o700, 0o600));
}

#[test]
fn bytes_are_read_back_by_position() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::real();
    let file = world.disk().open(&folder.path().join("file"), OpenMode::Create).unwrap();
    file.write_all_at(b"world", 7).unwrap();
    file.write_all_at(b"hello, ", 0).unwrap();
    file.sync_data().unwrap();
    let mut bytes = [0; 12];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"hello, world");
    assert_eq!(file.read_exact_at(&mut bytes, 1).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    file.set_len(5).unwrap();
    assert_eq!(world.disk().read_to_vec(&folder.path().join("file"), 5).unwrap(), b"hello");
    assert_eq!(world.disk().read_to_vec(&folder.path().join("file"), 4).unwrap_err().kind(), ErrorKind::FileTooLarge);
}

#[test]
fn preallocation_keeps_what_is_there_and_really_takes_the_space() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let (world, path) = (World::real(), folder.path().join("segment"));
    let file = world.disk().open(&path, OpenMode::CreateNew).unwrap();
    file.write_all_at(b"head", 0).unwrap();
    file.preallocate_zeroed(1_000_000).unwrap();
    assert_eq!(file.len().unwrap(), 1_000_000);
    assert!(std::fs::metadata(&path).unwrap().blocks() * 512 >= 1_000_000, "zeros are written, not promised");
    let bytes = world.disk().read_to_vec(&path, 1_000_000).unwrap();
    assert!(bytes.starts_with(b"head") && bytes[4..].iter().all(|byte| *byte == 0));
}

#[test]
fn an_atomic_write_replaces_the_whole_and_leaves_no_temporary() {
    let folder = tempfile::tempdir().unwrap();
    let (world, path) = (World::real(), folder.path().join("keys"));
    world.disk().write_atomic(&path, b"a long first version").unwrap();
    world.disk().write_atomic(&path, b"second").unwrap();
    assert_eq!(world.disk().read_to_vec(&path, 100).unwrap(), b"second");
    assert_eq!(world.disk().read_dir(folder.path()).unwrap(), vec![path]);
}

#[test]
fn a_lock_is_held_by_one_and_ends_with_its_guard() {
    let folder = tempfile::tempdir().unwrap();
    let (world, path) = (World::real(), folder.path().join("lock"));
    let held = world.disk().lock_exclusive(&path).unwrap();
    assert_eq!(world.disk().lock_exclusive(&path).map(|_| ()).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(held);
    world.disk().lock_exclusive(&path).unwrap();
}

#[test]
fn names_are_listed_in_order_renamed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (world, at) = (World::real(), |name: &str| folder.path().join(name));
    for name in ["b", "a", "c"] {
        world.disk().open(&at(name), OpenMode::CreateNew).unwrap();
    }
    world.disk().rename(&at("b"), &at("c")).unwrap();
    world.disk().remove_file(&at("a")).unwrap();
    world.disk().sync_dir(folder.path()).unwrap();
    assert_eq!(world.disk().read_dir(folder.path()).unwrap(), [at("c")]);
    assert!(world.disk().exists(&at("c")) && !world.disk().exists(&at("b")));
    assert!(world.disk().free_bytes(folder.path()).unwrap() > 0);
}
