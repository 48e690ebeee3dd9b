//! `sealpost send` is killed with SIGKILL in every phase of its life, each time at an exact place: in a chosen write or sync of intake,
//! commit, settling and reclaim (strace injects the signal into the system call), and at a chosen point of the conversation (the
//! receiver, aiosmtpd, sends it). Then the same file is handed in again, sometimes killed again while it recovers,
//! until its batch is closed.
//!
//! Receiver, ledger and journal are reconciled after each batch: every accepted statement arrived, whoever got it twice was
//! announced as uncertain, the books balance, and the journal is whole.
//!
//! `SEALPOST_KILLS` sets how many kills (40 unless set); the count by phase is printed.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test may panic, print and look at the real clock"
)]

mod support;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::{BatchFiles, Ended, Installation, free_port, number, python, server};
use testkit::{Batch, Options, Random, RowKind};

const ROWS: u64 = 40;
const KILLS_DEFAULT: u32 = 40;
/// Tries to bring one batch to its end.
const SENDS_MAX: u32 = 8;
const STRACE: &str = "/usr/bin/strace";
/// System calls that change the disk or make a change durable; and, last, what else happens while a file is read.
const CALLS: [&str; 9] = ["pwrite64", "pwritev2", "fdatasync", "fsync", "rename", "unlink", "io_uring_enter", "openat", "read"];
const READING: [&str; 2] = ["openat", "read"];

/// Accepts everything, one line per acceptance; kills a process at an ordered point of the conversation.
const RECEIVER: &str = r#"
import asyncio, os, signal, sys
from aiosmtpd.smtp import SMTP, syntax
arrivals, order, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
def meet(point):
    try:
        with open(order) as file: wanted, left, pid = file.read().split()
    except (OSError, ValueError): return
    if wanted != point: return
    left = int(left) - 1
    if left > 0:
        with open(order + ".new", "w") as file: file.write("%s %d %s" % (wanted, left, pid))
        os.replace(order + ".new", order)
        return
    os.unlink(order)
    os.kill(int(pid), signal.SIGKILL)
class Keep:
    async def handle_MAIL(self, server, session, envelope, address, options):
        meet("mail")
        envelope.mail_from = address
        return "250 2.1.0 ok"
    async def handle_RCPT(self, server, session, envelope, address, options):
        meet("rcpt")
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"
    async def handle_DATA(self, server, session, envelope):
        head = envelope.original_content.split(b"\r\n\r\n")[0].decode("ascii", "replace")
        identity = [line.split(":", 1)[1].strip() for line in head.split("\r\n") if line.lower().startswith("message-id:")][0]
        with open(arrivals, "a") as file: file.write("%s %s\n" % (envelope.rcpt_tos[0], identity))
        meet("last_byte")
        asyncio.get_running_loop().call_later(0.0002, meet, "reply")
        asyncio.get_running_loop().call_later(0.001 + 0.001 * (len(head) % 16), meet, "settle")
        return "250 2.0.0 kept"
class Server(SMTP):
    @syntax("DATA")
    async def smtp_DATA(self, arg):
        meet("data")
        await super().smtp_DATA(arg)
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Server(Keep(), hostname="receiver.example"), "127.0.0.1", port)
    await server.serve_forever()
asyncio.run(main())
"#;

/// Where the engine is when the signal comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// The file is read; nothing of it is committed.
    Intake,
    /// In the last writes and syncs before the first connection.
    Commit,
    /// MAIL FROM has come.
    Envelope,
    /// The receiver has the DATA command and has not answered: the intent is on its way to the disk.
    Intent,
    /// The receiver has the last byte, and the engine no answer.
    LastByte,
    /// The answer has just been given.
    Reply,
    /// In the writes and syncs behind the first connection.
    Settle,
    /// A file is about to be removed, or has just been.
    Reclaim,
}

impl Phase {
    const ALL: [Self; 8] =
        [Self::Intake, Self::Commit, Self::Envelope, Self::Intent, Self::LastByte, Self::Reply, Self::Settle, Self::Reclaim];

    /// The receiver's point, where it is the receiver that kills.
    fn point(self) -> Option<&'static str> {
        match self {
            Self::Envelope => Some("mail"),
            Self::Intent => Some("data"),
            Self::LastByte => Some("last_byte"),
            Self::Reply => Some("reply"),
            _ => None,
        }
    }
}

/// How many calls of one kind the busiest threads of a calm life make: strace counts by thread.
#[derive(Debug, Default, Clone, Copy)]
struct Calls {
    /// Before the first connection, by the thread that makes most then.
    before: u64,
    /// The thread that makes most behind it: how many it has made by then.
    by_then: u64,
    /// And how many it makes behind it.
    after: u64,
}

type CallsByName = BTreeMap<String, Calls>;

struct Story {
    installation: Installation,
    arrivals: PathBuf,
    order: PathBuf,
    random: Random,
    kills: BTreeMap<Phase, u32>,
    recovery_kills: u32,
    /// Lines of the receiver's list that are reconciled.
    read: usize,
    doubles: usize,
    uncertain: i64,
}

#[test]
fn and_every_double_is_announced() {
    if !python::has(&[("aiosmtpd", "python3-aiosmtpd")]) || server(STRACE, "strace").is_none() {
        return;
    }
    let kills_wanted: u32 = std::env::var("SEALPOST_KILLS").map_or(KILLS_DEFAULT, |text| text.parse().expect("SEALPOST_KILLS is a number"));
    let port = free_port();
    let installation = Installation::towards_port(port);
    let (arrivals, order) = (installation.path("arrivals"), installation.path("order"));
    std::fs::write(&arrivals, "").unwrap();
    let at = |path: &Path| path.to_str().unwrap().to_owned();
    let mut receiver = python::script(&installation, "receiver.py", RECEIVER, &[&at(&arrivals), &at(&order), &port.to_string()]);
    let _receiver = installation.start(&mut receiver);
    support::wait_for_listener(port);
    let random = Random::of(2_611, 7, 1);
    let mut story =
        Story { installation, arrivals, order, random, kills: BTreeMap::new(), recovery_kills: 0, read: 0, doubles: 0, uncertain: 0 };

    let calm = story.batch(1);
    let (calls, report) = story.calm_life(&calm.1);
    story.reconcile(&calm.0, &calm.1, &report);
    let mut seed = 1;
    while story.counted() < kills_wanted || story.phases_left().next().is_some() {
        seed += 1;
        assert!(seed < u64::from(kills_wanted) * 4 + 100, "too many lives ended before their kill: {:?}", story.kills);
        let in_turn = Phase::ALL[seed as usize % Phase::ALL.len()];
        let phase = if story.counted() < kills_wanted { in_turn } else { story.phases_left().next().unwrap_or(in_turn) };
        let (batch, files) = story.batch(seed);
        story.kill_in(phase, &files, &calls);
        let report = story.until_done(&files, &calls);
        story.reconcile(&batch, &files, &report);
    }
    println!("kills by phase: {:?}; while recovering: {}", story.kills, story.recovery_kills);
    println!("{} messages arrived, {} of them a second time; {} were announced as uncertain", story.read, story.doubles, story.uncertain);
}

impl Story {
    fn counted(&self) -> u32 {
        self.kills.values().sum::<u32>() + self.recovery_kills
    }

    /// Phases without a kill yet.
    fn phases_left(&self) -> impl Iterator<Item = Phase> {
        Phase::ALL.into_iter().filter(|phase| !self.kills.contains_key(phase))
    }

    fn batch(&self, seed: u64) -> (Batch, BatchFiles) {
        let batch = Batch::new(Options {
            seed,
            rows: ROWS,
            lines: 5..=40,
            duplicate_per_mille: 30,
            unbalanced_per_mille: 20,
            ..Options::default()
        });
        let files = self.installation.write_835(&format!("batch-{seed}"), &batch);
        (batch, files)
    }

    /// A life under strace that nothing disturbs: how many calls it makes.
    fn calm_life(&self, files: &BatchFiles) -> (CallsByName, Value) {
        let log = self.installation.path("calm.strace");
        let mut command = Command::new(STRACE);
        command.args(["-f", "-o"]).arg(&log).arg("-e").arg(format!("trace=connect,{}", CALLS.join(",")));
        let ended = self.installation.run(&mut under(command, self.installation.send_command(files)));
        let report = told(&ended);
        (busiest(&std::fs::read_to_string(&log).unwrap()), report)
    }

    /// One life that ends by the signal, if it comes in time.
    fn kill_in(&mut self, phase: Phase, files: &BatchFiles, calls: &CallsByName) {
        let point = match phase {
            // Half of them by the clock: the call in which the life is then is anybody's guess.
            Phase::Settle => self.random.chance(500).then_some("settle"),
            _ => phase.point(),
        };
        let ended_in = match point {
            Some(point) => self.killed_by_receiver(point, files).then_some(phase),
            None => {
                let (call, number) = self.place_of(phase, calls);
                let is_connected = self.killed_in_call(&call, number, files);
                // Another thread may have come to its own call of that number first.
                is_connected.map(|is_connected| match (phase, is_connected) {
                    (Phase::Reclaim, _) => Phase::Reclaim,
                    (_, true) => Phase::Settle,
                    (Phase::Commit, false) => Phase::Commit,
                    (_, false) => Phase::Intake,
                })
            }
        };
        if let Some(phase) = ended_in {
            *self.kills.entry(phase).or_default() += 1;
        }
    }

    fn killed_by_receiver(&mut self, point: &str, files: &BatchFiles) -> bool {
        let mut running = self.installation.start(&mut self.installation.send_command(files));
        let number = 1 + self.random.below(ROWS * 3 / 4);
        std::fs::write(&self.order, format!("{point} {number} {}", running.id())).unwrap();
        let ended = support::wait_until(Duration::from_secs(60), || running.poll().is_some());
        assert!(ended, "the life does not end: {}", running.log());
        let _ = std::fs::remove_file(&self.order);
        running.kill().code.is_none()
    }

    /// A call and its number in the life, from 1.
    fn place_of(&mut self, phase: Phase, calls: &CallsByName) -> (String, u64) {
        let kinds: Vec<&str> = match phase {
            Phase::Reclaim => vec!["unlink"],
            Phase::Intake => CALLS.to_vec(),
            _ => CALLS.into_iter().filter(|call| *call != "unlink" && !READING.contains(call)).collect(),
        };
        let range = |call: &str| {
            let Calls { before, by_then, after } = calls.get(call).copied().unwrap_or_default();
            match phase {
                // A life without strace on each call makes fewer of them before it connects.
                Phase::Intake => (0, before / 3),
                Phase::Commit => (before.saturating_sub(2), before),
                Phase::Reclaim => (0, before.max(by_then + after)),
                // The later calls come only where this life makes as many as the calm one did.
                _ => (by_then, by_then + after.div_ceil(2)),
            }
        };
        let possible: Vec<&str> = kinds.into_iter().filter(|call| range(call).1 > range(call).0).collect();
        let call = *self.random.pick(&possible);
        let (from, to) = range(call);
        (call.to_owned(), from + 1 + self.random.below(to - from))
    }

    /// Whether the life had connected when the signal ended it; `None` where it ended before.
    fn killed_in_call(&self, call: &str, number: u64, files: &BatchFiles) -> Option<bool> {
        let log = self.installation.path("kill.strace");
        let mut command = Command::new(STRACE);
        command.args(["-f", "-o"]).arg(&log).arg("-e").arg(format!("trace=connect,{call}"));
        command.arg("-e").arg(format!("inject={call}:signal=KILL:when={number}"));
        let ended = self.installation.run(&mut under(command, self.installation.send_command(files)));
        assert!(matches!(ended.code, None | Some(0 | 5 | 137)), "{ended:#?}");
        // strace dies the death of its child.
        let was_killed = !matches!(ended.code, Some(0 | 5));
        was_killed.then(|| std::fs::read_to_string(&log).unwrap().lines().any(is_connect))
    }

    /// Hands the same file in until its batch is closed; now and then the life that recovers is killed too.
    fn until_done(&mut self, files: &BatchFiles, calls: &CallsByName) -> Value {
        for _ in 0..SENDS_MAX {
            if self.random.chance(250) {
                let (call, number) = self.place_of(Phase::Intake, calls);
                self.recovery_kills += u32::from(self.killed_in_call(&call, number.div_ceil(4), files).is_some());
                continue;
            }
            let report = told(&self.installation.send(files));
            if report["closed"] == true {
                return report;
            }
        }
        panic!("not closed after {SENDS_MAX} sends");
    }
}

/// The books.
impl Story {
    /// Receiver, ledger and journal tell the same.
    fn reconcile(&mut self, batch: &Batch, files: &BatchFiles, said: &Value) {
        let report = self.own_report(said, files);
        let (expected, seed) = (files.expected, &files.batch);
        let counts = [
            ("source_records", expected.source_records),
            ("statements/read", expected.read.rows),
            ("statements/duplicate", expected.duplicate.rows),
            ("statements/rejected", expected.rejected.rows),
            ("statements/accepted", expected.accepted.rows),
            ("states/held", expected.held.rows),
            ("states/delivered", expected.accepted.rows - expected.held.rows),
            ("states/uncertain", 0),
        ];
        assert_eq!(report["balanced"], true, "{seed:?}: {report}");
        for (name, count) in counts {
            assert_eq!(number(&report, name), count as i64, "{seed:?}: {name}: {report}");
        }
        assert_eq!(number(&report, "money_cents/billed/accepted"), expected.accepted.money.billed.0, "{seed:?}");

        let text = std::fs::read_to_string(&self.arrivals).unwrap();
        let lines: Vec<&str> = text.lines().skip(self.read).collect();
        self.read += lines.len();
        let mut arrived: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (address, identity) in lines.iter().map(|line| line.split_once(' ').unwrap()) {
            arrived.entry(address).or_default().push(identity);
        }
        let mut due: BTreeMap<String, usize> = BTreeMap::new();
        for row in batch.rows().filter(|row| row.kind == RowKind::Plain) {
            *due.entry(row.person.email.reveal().to_owned()).or_default() += 1;
        }
        assert!(arrived.keys().copied().eq(due.keys().map(String::as_str)), "{seed:?}: who got mail and who is owed some");
        let mut doubles = 0;
        for (address, identities) in &arrived {
            let distinct: BTreeSet<_> = identities.iter().collect();
            assert_eq!(distinct.len(), due[*address], "{seed:?}: a message was lost, or one was sent again under another Message-ID");
            doubles += identities.len() - distinct.len();
        }
        assert!(doubles as i64 <= number(&report, "uncertain"), "{seed:?}: {doubles} doubles: {report}");
        self.doubles += doubles;
        self.uncertain += number(&report, "uncertain");
    }

    /// A kill between the closing of a batch and its report makes the next life read the file as a new one full of duplicates: then the
    /// batch before it is asked for.
    fn own_report(&self, said: &Value, files: &BatchFiles) -> Value {
        if number(said, "statements/accepted") == files.expected.accepted.rows as i64 {
            return said.clone();
        }
        assert_eq!(number(said, "statements/duplicate") + number(said, "statements/rejected"), files.expected.read.rows as i64, "{said}");
        let list = self.installation.run(&mut self.installation.verb(&["batch", "list"])).json_after(0);
        let batches = list.as_array().or_else(|| list["batches"].as_array()).unwrap_or_else(|| panic!("no list of batches: {list}"));
        let own = batches.iter().find(|batch| number(batch, "jobs") > 0).unwrap();
        let id = own["batch_id"].as_str().unwrap();
        let shown = self.installation.run(&mut self.installation.verb(&["batch", "show", id]));
        shown.json()
    }
}

/// The report of a life that came to its end; some rows may be rejected.
fn told(ended: &Ended) -> Value {
    assert!(matches!(ended.code, Some(0 | 5)), "{ended:#?}");
    ended.json()
}

/// From what strace wrote: thread, call.
fn busiest(log: &str) -> CallsByName {
    let mut by_thread: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
    let mut is_connected = false;
    for line in log.lines() {
        is_connected |= is_connect(line);
        let mut words = line.split_whitespace();
        let (Some(thread), Some(call)) = (words.next(), words.next().and_then(|call| call.split('(').next())) else { continue };
        let Some(name) = CALLS.into_iter().find(|name| *name == call) else { continue };
        let (before, after) = by_thread.entry((thread, name)).or_default();
        *if is_connected { after } else { before } += 1;
    }
    let mut busiest = CallsByName::new();
    for ((_, name), (before, after)) in by_thread {
        let most = busiest.entry(name.to_owned()).or_default();
        most.before = most.before.max(before);
        if after > most.after {
            (most.by_then, most.after) = (before, after);
        }
    }
    assert!(busiest.values().any(|calls| calls.before > 4) && busiest.values().any(|calls| calls.after > 4), "{busiest:?}");
    busiest
}

fn is_connect(line: &str) -> bool {
    line.contains(" connect(") && line.contains("AF_INET")
}

/// A command under strace.
fn under(mut strace: Command, command: Command) -> Command {
    strace.arg("--").arg(command.get_program()).args(command.get_args());
    strace
}
