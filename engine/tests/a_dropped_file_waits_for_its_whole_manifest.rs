//! What stands beside a dropped file, and what it is called: half a manifest is not obeyed, a linked one is not followed, and a name that no
//! sealed copy could bear is refused aloud before a message leaves.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may panic, and waits for real processes by the real clock")]

mod support;

use serde_json::Value;
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::path::PathBuf;
use std::time::Duration;
use support::{Installation, Running, wait_until};
use testkit::{Batch, Options};
use world::World;

const SPAN: Duration = Duration::from_secs(30);

struct Story {
    installation: Installation,
    sandbox: Sandbox,
    _service: Running,
}

impl Story {
    fn begin() -> Self {
        let sandbox =
            Sandbox::start(&World::real(), SandboxConfig::new(3, vec![SiteConfig::new("all", Personality::default(), 1)])).unwrap();
        let installation = Installation::towards_sandbox(&sandbox, "\n[drop]\npath = \"drop\"\nevery = \"100ms\"\nquiet = \"1s\"\n");
        installation.rewrite_config(|text| text.replace("dkim = [", "members = \"contacts.csv\"\ndkim = ["));
        let service = installation.start_service("info");
        let story = Self { installation, sandbox, _service: service };
        let files = story.installation.write_835("made", &story.batch());
        std::fs::rename(files.members, story.installation.path("contacts.csv")).unwrap();
        story
    }

    fn batch(&self) -> Batch {
        Batch::new(Options { seed: 1, rows: 10, lines: 1..=2, destinations: self.sandbox.destination_names(), ..Options::default() })
    }

    fn incoming(&self, name: &str) -> PathBuf {
        self.installation.path("drop/lakeside/transactional/incoming").join(name)
    }

    fn put(&self, name: &str) {
        std::fs::copy(self.installation.path("made.835"), self.incoming(&format!("{name}.part"))).unwrap();
        std::fs::rename(self.incoming(&format!("{name}.part")), self.incoming(name)).unwrap();
    }

    /// The one result whose name has this in it.
    fn told(&self, part: &str) -> Value {
        let folder = self.installation.path("drop/lakeside/transactional/results");
        let find = || {
            let mut paths = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
            paths.find(|path| path.file_name().unwrap().to_str().is_some_and(|name| name.contains(part) && !name.starts_with('.')))
        };
        assert!(wait_until(SPAN, || find().is_some()), "nothing is told of {part}");
        serde_json::from_slice(&std::fs::read(find().unwrap()).unwrap()).unwrap()
    }

    fn delivered(&self) -> u64 {
        self.sandbox.report().distinct
    }
}

#[test]
fn half_a_manifest_is_waited_for_and_an_empty_one_refuses() {
    let story = Story::begin();
    let manifest = story.incoming("night.835.manifest.toml");
    std::fs::write(&manifest, "").unwrap();
    story.put("night.835");
    // It grows for longer than the file itself must have been left alone.
    for line in ["rows = 10\n", "# the gateway is slow\n", "not_before = 2090-01-01T00:00:00Z\n"] {
        std::thread::sleep(Duration::from_millis(600));
        let before = std::fs::read_to_string(&manifest).unwrap();
        std::fs::write(&manifest, before + line).unwrap();
    }
    assert!(wait_until(SPAN, || !story.incoming("night.835").exists()), "it is taken when its manifest is whole");
    assert!(!manifest.exists());
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(story.delivered(), 0, "not_before was read");

    std::fs::write(story.incoming("bare.835.manifest.toml"), "").unwrap();
    std::fs::write(story.incoming("bare.835"), "ISA").unwrap();
    let told = story.told("bare.835");
    assert_eq!(told["reason"], "manifest_malformed", "{told}");
    assert!(told["expected"].as_str().unwrap().contains("state something"), "{told}");
}

#[test]
fn a_linked_manifest_and_a_name_too_long_are_refused_aloud() {
    let story = Story::begin();
    let target = story.installation.path("elsewhere.toml");
    std::fs::write(&target, "rows = 10\n").unwrap();
    std::os::unix::fs::symlink(&target, story.incoming("linked.835.manifest.toml")).unwrap();
    story.put("linked.835");
    // Its link was made now and is quiet in a second.
    assert!(story.told("linked.835.not_taken")["problem"].as_str().unwrap().contains("symbolic link"));

    let long = format!("{}.835", "n".repeat(200));
    story.put(&long);
    assert!(story.told("nnn")["problem"].as_str().unwrap().contains("204 bytes"));
    std::thread::sleep(Duration::from_millis(500));
    assert!(story.incoming(&long).exists() && story.incoming("linked.835").exists(), "both stay for a person");
    assert_eq!(story.delivered(), 0);

    // One that is short enough goes.
    std::fs::rename(story.incoming(&long), story.incoming(&format!("{}.835", "n".repeat(150)))).unwrap();
    assert!(wait_until(SPAN, || story.delivered() == 10), "{} of 10", story.delivered());
}
