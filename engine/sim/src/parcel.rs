//! What is handed in: a part of the rows, and the door they come through.
//!
//! A seed has several parcels, so that batches overlap, streams run beside each other and single jobs arrive while files are read. The
//! claim numbers of all parcels differ: a message says by itself which row it is about.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use testkit::{Batch, Expected, Options, Row, RowKind};

/// Parcels of a seed; their numbers are below it.
const PARCELS: u64 = 4;
/// The template of marketing, as it is shipped.
const ANNOUNCEMENT: &str = "announcement";

/// The door a parcel comes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// A file of X12 835 with a contact file.
    X12835,
    /// A file of NDJSON with a contact file.
    Ndjson,
    /// The job socket, line by line.
    Socket,
    /// A file of templated messages, in the marketing stream.
    Marketing,
}

impl Door {
    /// Whether the parcel is a file and so a batch of its own.
    pub const fn is_file(self) -> bool {
        !matches!(self, Self::Socket)
    }
}

/// Which row a text is about: the batch's mark before the `CLM` of a claim number, and the number behind it.
pub type Mark = (u16, u64);

/// What must become of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// A job that is sent.
    Sent,
    /// A job that waits for a person from the start.
    Held,
    /// No job.
    NotAccepted,
}

/// One line of a parcel.
#[derive(Debug, Clone)]
pub struct Line {
    /// From 1, as the record counts rows.
    pub number: u64,
    /// What must become of it.
    pub fate: Fate,
    /// Which of the parcel's members it is about, from 0.
    pub member: u64,
    /// Whom it goes to. Invented.
    pub email: String,
    /// What a message about it is recognised by; `None` where it holds no claim.
    pub mark: Option<Mark>,
    /// The key it states. Invented.
    pub key: String,
    /// Words that must not be found on a disk. Invented.
    pub secrets: Vec<String>,
}

/// One parcel.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Its door.
    pub door: Door,
    /// Its lines in order.
    pub lines: Vec<Line>,
    /// What it must add up to at the door.
    pub expected: Expected,
    /// When it is handed in, counted from the start of a life.
    pub after: Duration,
    /// Somebody still writes into its file when it is handed in first.
    pub is_growing: bool,
    batch: Batch,
    rows: Vec<Row>,
}

/// The files of a parcel on the real disk: input, not state.
#[derive(Debug, Clone, Default)]
pub(crate) struct ParcelFiles {
    pub(crate) batch: PathBuf,
    pub(crate) contacts: Option<PathBuf>,
    /// Bytes of the batch.
    pub(crate) bytes: u64,
}

impl Parcel {
    /// Parcel `number` of a seed, with so many rows. The seed of the options is set here.
    pub(crate) fn new(seed: u64, number: u64, door: Door, after: Duration, options: Options) -> Self {
        let seed = seed.wrapping_mul(PARCELS).wrapping_add(number);
        // Lines of the socket bring their recipient: no contact file, no mismatch with one.
        let mismatched_per_mille = if door == Door::Socket { 0 } else { options.mismatched_per_mille };
        // Announcements are one a member.
        let claims_per_member = if door == Door::Marketing { 1 } else { options.claims_per_member };
        let batch = Batch::new(Options { seed, mismatched_per_mille, claims_per_member, ..options });
        match door {
            Door::Marketing => Self::of_announcements(batch, after),
            _ => Self::of_statements(batch, door, after),
        }
    }

    fn of_statements(batch: Batch, door: Door, after: Duration) -> Self {
        let rows: Vec<Row> = batch.rows().collect();
        let mut expected = Expected::default();
        rows.iter().for_each(|row| expected.count(row));
        let lines = rows.iter().map(|row| line_of(row, &batch)).collect();
        Self { door, lines, expected, after, is_growing: false, batch, rows }
    }

    fn of_announcements(batch: Batch, after: Duration) -> Self {
        let mut text = Vec::new();
        let expected = batch.write_templated_ndjson(&mut text, ANNOUNCEMENT).expect("a vector takes what is written");
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().zip(0..).map(|(line, member)| {
            let person = batch.person(member);
            Line {
                number: member + 1,
                member,
                fate: if line.contains("\"authorization\"") { Fate::Sent } else { Fate::NotAccepted },
                email: person.email.reveal().to_owned(),
                mark: None,
                key: String::new(),
                secrets: vec![person.email.reveal().to_owned(), format!("{} {}", person.given_name.reveal(), person.family_name.reveal())],
            }
        });
        Self { door: Door::Marketing, lines: lines.collect(), expected, after, is_growing: false, rows: Vec::new(), batch }
    }

    /// The mark of its claim numbers.
    pub fn mark(&self) -> u16 {
        (self.batch.options().seed % 10_000) as u16
    }

    /// Its lines as the job socket takes them.
    pub(crate) fn socket_lines(&self) -> Vec<String> {
        self.rows.iter().map(|row| format!("{}\n", row.to_json(row.kind != RowKind::WithoutContact))).collect()
    }

    /// Writes its files into a folder. The names reach rejects; the folder reaches nothing.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<ParcelFiles> {
        let path = folder.join(format!("batch-{}", self.mark()));
        let mut into = BufWriter::new(File::create(&path)?);
        match self.door {
            Door::X12835 => drop(self.batch.write_x12_835(&mut into)?),
            Door::Ndjson => self.rows.iter().try_for_each(|row| writeln!(into, "{}", row.to_json(false)))?,
            Door::Marketing => drop(self.batch.write_templated_ndjson(&mut into, ANNOUNCEMENT)?),
            Door::Socket => {}
        }
        into.flush()?;
        let bytes = into.get_ref().metadata()?.len();
        if !matches!(self.door, Door::X12835 | Door::Ndjson) {
            return Ok(ParcelFiles { batch: path, contacts: None, bytes });
        }
        let contacts = folder.join(format!("contacts-{}.csv", self.mark()));
        let mut into = BufWriter::new(File::create(&contacts)?);
        self.batch.write_contacts(&mut into)?;
        into.flush()?;
        Ok(ParcelFiles { batch: path, contacts: Some(contacts), bytes })
    }
}

fn line_of(row: &Row, batch: &Batch) -> Line {
    let person = &row.person;
    let claim = row.statement.claim_number.reveal();
    let whole = format!("{} {}", person.given_name.reveal(), person.family_name.reveal());
    let words = [&person.family_name, &person.email, &person.member_id, &row.statement.claim_number];
    Line {
        number: row.number,
        member: row.member_index,
        fate: match row.kind {
            RowKind::Plain => Fate::Sent,
            RowKind::Mismatched => Fate::Held,
            _ => Fate::NotAccepted,
        },
        email: person.email.reveal().to_owned(),
        mark: Some(((batch.options().seed % 10_000) as u16, row.number)),
        key: claim.to_owned(),
        secrets: words.iter().map(|word| word.reveal().to_owned()).chain([whole]).collect(),
    }
}
