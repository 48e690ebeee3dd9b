//! The journal lies on a disk that is too small. The intake is told "not now" with exit code 6 and a sentence, nothing of the file counts,
//! and with space again the same file goes through whole. A disk that fills up in the middle of a delivery stops no delivery: new files
//! and jobs wait outside, what was accepted arrives, and with space again jobs are taken without a restart.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and lives by the real clock")]

mod support;

use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::{Installation, number, wait_until};
use testkit::{Batch, Options};
use world::World;

/// A disk in memory with a size; dropping it unmounts it.
struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Says so where this machine does not let us mount one.
    fn mount(at: PathBuf, mebibytes: u64) -> Option<Self> {
        if !support::is_root("a small disk") {
            return None;
        }
        std::fs::create_dir_all(&at).unwrap();
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "sealpost-story"]).arg(&at).output().unwrap();
        if !mounted.status.success() {
            support::skip("this machine lets nobody mount a tmpfs");
            return None;
        }
        Some(Self { at })
    }

    fn resize(&self, mebibytes: u64) {
        let size = format!("remount,size={mebibytes}m");
        assert!(Command::new("mount").args(["-o", &size]).arg(&self.at).status().unwrap().success());
    }

    /// Takes all that is left.
    fn fill(&self) -> PathBuf {
        let ballast = self.at.join("ballast");
        let mut into = std::fs::File::create(&ballast).unwrap();
        let block = vec![1u8; 64 * 1024];
        while std::io::Write::write_all(&mut into, &block).is_ok() {}
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

/// Its journal lies on the small disk; `journal` replaces the segments of the other stories.
fn installation(sandbox: &Sandbox, journal: &str) -> Installation {
    let installation = Installation::new(&format!(
        "\n[paths]\njournal = \"disk/journal\"\n\n[streams.transactional]\nretry = [\"1s\"]\n\n[tls]\nca_file = \"ca.pem\"\n\n\
         [dns]\nservers = [\"{}\"]\nsmtp_port = {}\nallow_loopback = true\n",
        sandbox.dns_address(),
        sandbox.smtp_port()
    ));
    installation.rewrite_config(|config| config.replace("segment = \"1MiB\"", journal));
    std::fs::write(installation.path("ca.pem"), sandbox.ca_pem()).unwrap();
    installation
}

fn sandbox(personality: Personality) -> Sandbox {
    Sandbox::start(&World::real(), SandboxConfig::new(4, vec![SiteConfig::new("only", personality, 1)])).unwrap()
}

fn free_bytes(at: &Path) -> u64 {
    let free = rustix::fs::statvfs(at).unwrap();
    free.f_bavail * free.f_frsize
}

#[test]
fn the_intake_is_told_not_now_and_the_same_file_goes_through_later() {
    let sandbox = sandbox(Personality::quick());
    let installation = installation(&sandbox, "segment = \"1MiB\"\nreserve = \"2MiB\"");
    let Some(disk) = SmallDisk::mount(installation.path("disk"), 6) else { return };
    let batch = Batch::new(Options { rows: 2_500, lines: 20..=30, destinations: sandbox.destination_names(), ..Options::default() });
    let files = installation.write_835("large", &batch);
    for _ in 0..2 {
        let ended = installation.send(&files);
        assert_eq!(ended.code, Some(6), "{ended:?}");
        assert!(ended.stderr.contains("not now") && ended.stderr.contains("again later"), "it says what to do: {ended:?}");
    }
    assert_eq!(sandbox.report().accepted, 0, "nothing of a file that was not accepted leaves");
    assert!(free_bytes(&disk.at) >= 1024 * 1024, "what is kept for settling was left alone");
    disk.resize(64);
    let report = installation.send(&files).json_after(0);
    assert_eq!(number(&report, "statements/duplicate"), 0, "no row is its own duplicate: {report}");
    assert_eq!(number(&report, "states/delivered"), 2_500, "{report}");
    assert_eq!(report["balanced"], true);
    let counted = world::block_on(sandbox.stop());
    assert_eq!((counted.distinct, counted.surplus), (2_500, 0), "{counted:?}");
}

#[test]
fn what_was_accepted_arrives_on_a_disk_that_filled_up_and_new_jobs_wait_outside() {
    let sandbox = sandbox(Personality::slow(Duration::from_millis(20)));
    let installation = installation(&sandbox, "segment = \"4MiB\"\nreserve = \"8MiB\"");
    let Some(disk) = SmallDisk::mount(installation.path("disk"), 64) else { return };
    let rows = 1_000;
    let destinations = sandbox.destination_names();
    let accepted = Batch::new(Options { seed: 1, rows, lines: 1..=2, destinations: destinations.clone(), ..Options::default() });
    let later = Batch::new(Options { seed: 2, rows: 20, lines: 1..=2, destinations, ..Options::default() });
    let (accepted, later) = (installation.write_835("accepted", &accepted), installation.write_835("later", &later));

    let service = installation.start_service("info");
    let sending = installation.start(&mut installation.send_command(&accepted));
    assert!(wait_until(Duration::from_secs(30), || sandbox.report().accepted > 50), "the delivery is under way");
    let ballast = disk.fill();
    // A look at the disk is good for a quarter of a second.
    std::thread::sleep(Duration::from_millis(300));
    let told = installation.send(&later);
    assert_eq!(told.code, Some(6), "{told:?}");
    assert!(told.stderr.contains("not now"), "{told:?}");
    // Not a byte is free, and everything that was accepted arrives and is written down.
    let report = sending.wait(Duration::from_secs(60)).json_after(0);
    assert_eq!(number(&report, "states/delivered"), rows as i64, "{report}");
    assert_eq!(sandbox.report().distinct, rows);
    assert!(free_bytes(&disk.at) < 1024 * 1024, "the disk was full all the time");

    // With space again the same service takes the same file.
    std::fs::remove_file(ballast).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let report = installation.send(&later).json_after(0);
    assert_eq!((number(&report, "states/delivered"), number(&report, "statements/duplicate")), (20, 0), "{report}");
    service.terminate();
    assert_eq!(service.wait(Duration::from_secs(30)).code, Some(0));
    let counted = world::block_on(sandbox.stop());
    assert_eq!((counted.distinct, counted.surplus), (rows + 20, 0), "{counted:?}");
}
