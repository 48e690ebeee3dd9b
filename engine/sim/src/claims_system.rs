//! A claims system at the job socket: hands its lines in, keeps what is not answered, and hands that in again after whatever happens.

use crate::notes::{Answered, Notes};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;
use testkit::Random;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf};
use world::{BoxStream, World};

const SORT_CLAIMS_SYSTEM: u64 = 104;
/// After a refusal, a lost connection, or before the door is open; twice as long each time until something is accepted.
const PATIENCE: Duration = Duration::from_millis(400);
/// A full disk may stay full for hours.
const PATIENCE_MAX: Duration = Duration::from_secs(60);
/// Lines that are sent before their answers are read.
const BURST_MAX: u64 = 200;
const PAUSE_MAX_MS: u64 = 3_000;

/// Hands in until every line has its answer.
pub(crate) async fn hand_in(world: &World, socket: &Path, lines: &[String], notes: &Notes, seed: u64) {
    let mut random = Random::of(seed, SORT_CLAIMS_SYSTEM, world.monotonic().0);
    let (mut patience, mut left) = (PATIENCE, usize::MAX);
    loop {
        let open: Vec<usize> = notes.with(|notes| (0..lines.len()).filter(|line| !notes.answers.contains_key(line)).collect());
        if open.is_empty() {
            return;
        }
        if open.len() < std::mem::replace(&mut left, open.len()) {
            patience = PATIENCE;
        }
        // A connection ends early where the engine stops: what has no answer stays open.
        if converse(world, socket, lines, &open, notes, &mut random).await.is_err() {
            world.sleep(patience).await;
            patience = (patience * 2).min(PATIENCE_MAX);
        }
    }
}

/// One connection. Lines are answered in order.
async fn converse(world: &World, socket: &Path, lines: &[String], open: &[usize], notes: &Notes, random: &mut Random) -> io::Result<()> {
    let (read, mut write) = tokio::io::split(world.net().connect_unix(socket).await?);
    let mut read = BufReader::new(read);
    let mut rest = open;
    while !rest.is_empty() {
        let burst = usize::try_from(random.between(1, BURST_MAX)).map_or(1, |burst| burst.min(rest.len()));
        let (now, later) = rest.split_at(burst);
        let text: String = now.iter().map(|line| lines[*line].as_str()).collect();
        let (wrote, answered) = futures_util::future::join(send(&mut write, &text), answers(&mut read, now, notes)).await;
        wrote.and(answered)?;
        rest = later;
        world.sleep(Duration::from_millis(random.below(PAUSE_MAX_MS))).await;
    }
    Ok(())
}

async fn send(write: &mut WriteHalf<BoxStream>, text: &str) -> io::Result<()> {
    write.write_all(text.as_bytes()).await?;
    write.flush().await
}

async fn answers(read: &mut BufReader<ReadHalf<BoxStream>>, asked: &[usize], notes: &Notes) -> io::Result<()> {
    let mut text = String::new();
    let mut is_refused = false;
    for line in asked {
        text.clear();
        if read.read_line(&mut text).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let answer: serde_json::Value = serde_json::from_str(&text)?;
        let job = answer["job_id"].as_str().and_then(|job| job.parse().ok());
        match (answer["accepted"].as_bool(), job) {
            (Some(true), Some(job)) => drop(notes.with(|notes| notes.answers.insert(*line, Answered::Job(job)))),
            // "Not now" is no answer: the line stays open.
            (Some(false), _) if answer["reason"] == "not_now" => is_refused = true,
            (Some(false), _) => drop(notes.with(|notes| notes.answers.insert(*line, Answered::NoJob))),
            _ => return Err(io::Error::other("the job socket gave an answer that is none")),
        }
    }
    if is_refused { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
}
