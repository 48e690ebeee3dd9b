//! A template as a program that writes straight into the message.
//!
//! The template engine is general: it looks names up, copies what it finds, and knows nothing of quoted-printable. A message has a
//! thousand fields and is mostly fixed text, so what the shipped templates are made of (fields, conditions, loops, includes) is run here
//! instead: names are resolved and fixed text is encoded when a bundle is compiled ([`compile`]), and a run allocates next to nothing.
//!
//! **Promises.** What it writes is what the template engine says, to the byte after decoding; a program is used only where it did so for
//! every invented job of the trial. A template that uses anything else has no program and is rendered by the engine, as is a job at which a
//! program stops, so that authors need not know and errors are the engine's.
//!
//! [`compile`]: crate::compile

use crate::datum::Datum;
use crate::format::{AmountWords, Money};
use crate::words::Words;

/// Variables of a program: its root, and those of loops in loops.
pub(crate) const SLOTS_MAX: usize = 8;

/// Where a program writes to.
pub(crate) trait Medium {
    /// A piece that is the same in every message, made ready once.
    type Fixed;
    /// Writes one.
    fn fixed(&mut self, fixed: &Self::Fixed);
    /// Writes a value, escaped as the medium needs.
    fn value(&mut self, text: &str);
    /// Writes an amount where it stands in its column: nothing but digits and their marks.
    fn digits(&mut self, said: &[u8]);
    /// Writes an amount where it stands in its column: digits and words.
    fn amount(&mut self, said: &str);
    /// Octets of the message so far.
    fn message_bytes(&self) -> usize;
}

/// A compiled template.
pub(crate) struct Program<F> {
    pub(crate) nodes: Vec<Node<F>>,
    /// An amount that is not stated, where it stands in its column.
    pub(crate) not_stated: F,
}

/// A step of a program.
pub(crate) enum Node<F> {
    /// Fixed text.
    Fixed(F),
    /// `{{ place }}`, `{{ place|money }}`, `{{ place|stated }}`.
    Put(Place, Put),
    /// `{% if %}`.
    When { condition: Condition, then: Vec<Node<F>>, otherwise: Vec<Node<F>> },
    /// `{% for %}`.
    Each { list: Place, slot: usize, body: Vec<Node<F>>, otherwise: Vec<Node<F>> },
    /// `{% set %}` of a view.
    Let { view: Place, slot: usize },
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// A text, or an amount in its column.
    Plain,
    /// An amount as text.
    Money,
    /// As plain, and what is not stated in words.
    Stated,
}

/// A field: of which variable, and through which views. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) slot: usize,
    pub(crate) through: Vec<usize>,
    pub(crate) at: usize,
}

/// What stands behind `if`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// What the template language takes for true.
    True(Place),
    /// Is not stated.
    None(Place),
    /// Is not a true zero: what is not stated is shown, as not stated.
    Nonzero(Place),
    /// Is stated, and not zero.
    Paid(Place),
    /// Is this text.
    Equal(Place, Box<str>),
    Not(Box<Condition>),
    Both(Box<Condition>, Box<Condition>),
    Either(Box<Condition>, Box<Condition>),
}

/// Why a run ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The message has become too large.
    TooLarge,
    /// Something that only the template engine can do, or say what is wrong with it.
    Unknown,
}

/// The limits of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Steps.
    pub(crate) steps: u64,
    /// Octets of the message.
    pub(crate) bytes: usize,
}

impl<F> Program<F> {
    /// Writes what the template says of these fields.
    ///
    /// # Errors
    /// [`Stop`]; what was written until then is of no use.
    pub(crate) fn run<M>(&self, root: &[Datum<'_>], words: &Words, bounds: Bounds, medium: &mut M) -> Result<(), Stop>
    where
        M: Medium<Fixed = F>,
    {
        let mut slots: [&[Datum<'_>]; SLOTS_MAX] = [&[]; SLOTS_MAX];
        slots[0] = root;
        Run { medium, words, slots, bounds, text: String::with_capacity(128), not_stated: &self.not_stated }.nodes(&self.nodes)
    }
}

struct Run<'r, 'a, 'm, M: Medium> {
    medium: &'m mut M,
    words: &'r Words,
    slots: [&'r [Datum<'a>]; SLOTS_MAX],
    bounds: Bounds,
    text: String,
    not_stated: &'r M::Fixed,
}

impl<'r, 'a, M: Medium> Run<'r, 'a, '_, M> {
    fn nodes(&mut self, nodes: &[Node<M::Fixed>]) -> Result<(), Stop> {
        for node in nodes {
            self.bounds.steps = self.bounds.steps.checked_sub(1).ok_or(Stop::Unknown)?;
            match node {
                Node::Fixed(fixed) => self.medium.fixed(fixed),
                Node::Put(place, put) => self.put(self.find(place)?, *put)?,
                Node::When { condition, then, otherwise } => self.nodes(if self.holds(condition)? { then } else { otherwise })?,
                Node::Each { list, slot, body, otherwise } => self.each(self.find(list)?, *slot, body, otherwise)?,
                Node::Let { view, slot } => self.slots[*slot] = self.view(view)?,
            }
        }
        Ok(())
    }

    fn each(&mut self, list: &'r Datum<'a>, slot: usize, body: &[Node<M::Fixed>], otherwise: &[Node<M::Fixed>]) -> Result<(), Stop> {
        match list {
            Datum::Many(views) if views.len() > 0 => {
                for fields in views.iter() {
                    self.slots[slot] = fields;
                    self.repeat(body)?;
                }
                Ok(())
            }
            Datum::Cells(count @ 1..) => (0..*count).try_for_each(|_| self.repeat(body)),
            Datum::Many(_) | Datum::Cells(_) => self.nodes(otherwise),
            _ => Err(Stop::Unknown),
        }
    }

    /// One turn of a loop: only loops make a message long.
    fn repeat(&mut self, body: &[Node<M::Fixed>]) -> Result<(), Stop> {
        self.bounds.steps = self.bounds.steps.checked_sub(1).ok_or(Stop::Unknown)?;
        self.nodes(body)?;
        if self.medium.message_bytes() > self.bounds.bytes { Err(Stop::TooLarge) } else { Ok(()) }
    }

    fn put(&mut self, datum: &Datum<'_>, put: Put) -> Result<(), Stop> {
        let amounts: &'r AmountWords = &self.words.amounts;
        match (datum, put) {
            (Datum::Text(text), Put::Plain | Put::Stated) => self.medium.value(text),
            (Datum::None, Put::Stated | Put::Money) => self.medium.value(&amounts.not_stated),
            (Datum::None, Put::Plain) => self.medium.fixed(self.not_stated),
            // No word stands behind it.
            (Datum::Cents(cents @ 0..), Put::Plain | Put::Stated) => self.medium.digits(Money::new(*cents).as_bytes()),
            (Datum::Cents(cents), _) => {
                self.text.clear();
                amounts.push(&mut self.text, Some(*cents));
                if put == Put::Money { self.medium.value(&self.text) } else { self.medium.amount(&self.text) }
            }
            (_, Put::Money) => return Err(Stop::Unknown),
            (other, Put::Plain | Put::Stated) => {
                self.text.clear();
                if !other.push_text(&mut self.text, self.words) {
                    return Err(Stop::Unknown);
                }
                self.medium.value(&self.text);
            }
        }
        Ok(())
    }

    fn holds(&self, condition: &Condition) -> Result<bool, Stop> {
        Ok(match condition {
            Condition::True(place) => self.find(place)?.is_true(),
            Condition::None(place) => matches!(self.find(place)?, Datum::None),
            Condition::Nonzero(place) => !matches!(self.find(place)?, Datum::Cents(0)),
            Condition::Paid(place) => matches!(self.find(place)?, Datum::Cents(cents) if *cents != 0),
            Condition::Equal(place, text) => match self.find(place)? {
                Datum::Text(found) => **found == **text,
                Datum::None => false,
                _ => return Err(Stop::Unknown),
            },
            Condition::Not(condition) => !self.holds(condition)?,
            Condition::Both(one, other) => self.holds(one)? && self.holds(other)?,
            Condition::Either(one, other) => self.holds(one)? || self.holds(other)?,
        })
    }

    #[inline]
    fn find(&self, place: &Place) -> Result<&'r Datum<'a>, Stop> {
        let mut fields = self.slots[place.slot];
        for at in &place.through {
            fields = fields_of(&fields[*at])?;
        }
        fields.get(place.at).ok_or(Stop::Unknown)
    }

    fn view(&self, place: &Place) -> Result<&'r [Datum<'a>], Stop> {
        fields_of(self.find(place)?)
    }
}

fn fields_of<'r, 'a>(datum: &'r Datum<'a>) -> Result<&'r [Datum<'a>], Stop> {
    let Datum::One(views) = datum else { return Err(Stop::Unknown) };
    views.first().ok_or(Stop::Unknown)
}
