//! Whether two names are one person's.
//!
//! Names are folded (lower case, accents off, apostrophes and points closed up, other punctuation to blanks) and cut into words. Then
//! **given and family name must both match**; middle names may differ, order does not matter ("EXAMPLE, ADA B" is "Ada Example"), joined
//! words equal parted ones ("DELACRUZ", "de la Cruz"). Where both sides have a generation (Jr, Sr, II, III, IV), it must agree.
//!
//! Not done on purpose: nicknames (Bob, Robert), initials for given names, sounds-alike.
//! A name that needs these is for a person to look at.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A name, folded.
pub(super) struct Name {
    /// Words of the given name (with middle names), where the source parts it from the family name.
    given: Vec<String>,
    /// Words of the family name, where the source parts it.
    family: Vec<String>,
    /// All words.
    all: Vec<String>,
    generation: Option<String>,
}

impl Name {
    /// From the parts where both are there, else from the whole. "Family, Given" is parted at its comma.
    pub(super) fn new(given: &str, family: &str, whole: &str) -> Self {
        let parts = match (given.trim(), family.trim(), whole.split_once(',')) {
            ("", _, Some((family, given))) | (_, "", Some((family, given))) => Some((given, family)),
            ("", _, None) | (_, "", None) => None,
            (given, family, _) => Some((given, family)),
        };
        let mut name = match parts {
            Some((given, family)) => {
                let (given, family) = (words(given), words(family));
                let all = given.iter().chain(&family).cloned().collect();
                Self { given, family, all, generation: None }
            }
            None => {
                let text = if whole.trim().is_empty() { format!("{given} {family}") } else { whole.to_owned() };
                Self { given: Vec::new(), family: Vec::new(), all: words(&text), generation: None }
            }
        };
        name.take_generation();
        name
    }

    /// Whether both are one person's.
    pub(super) fn matches(&self, other: &Self) -> bool {
        if let (Some(ours), Some(theirs)) = (&self.generation, &other.generation)
            && ours != theirs
        {
            return false;
        }
        match (self.is_parted(), other.is_parted()) {
            (true, true) => same_family(&self.family, &other.family) && same_given(&self.given, &other.given),
            (true, false) => other.has_parts_of(self),
            (false, true) => self.has_parts_of(other),
            (false, false) => same_ends(&self.all, &other.all),
        }
    }

    /// Whether one is certainly not the other by the given name: both are stated, and differ. Twins share id, birth date and family name;
    /// who married has another family name and the given name of before.
    pub(super) fn has_other_given_name(&self, other: &Self) -> bool {
        if self.all.is_empty() || other.all.is_empty() {
            return false;
        }
        let given_within = |parted: &Self, whole: &Self| {
            let first = parted.given.first();
            first.is_some_and(|first| whole.all.contains(first)) || whole.all.concat().contains(&parted.given.concat())
        };
        match (self.given.is_empty(), other.given.is_empty()) {
            (false, false) => !same_given(&self.given, &other.given),
            (false, true) => !given_within(self, other),
            (true, false) => !given_within(other, self),
            (true, true) => self.all.first() != other.all.first() && !same_ends(&self.all, &other.all),
        }
    }

    /// All words in an order that does not depend on how the name is written.
    pub(super) fn sorted_words(&self) -> Vec<String> {
        let mut words = self.all.clone();
        words.sort_unstable();
        words
    }

    /// The name as one text that is equal only where every word is, in its place: stricter than [`Self::matches`].
    pub(super) fn exact(&self) -> String {
        let generation = self.generation.as_deref().unwrap_or_default();
        if self.is_parted() {
            return format!("{}\t{}\t{generation}", self.given.join(" "), self.family.join(" "));
        }
        format!("{}\t{generation}", self.all.join(" "))
    }

    fn is_parted(&self) -> bool {
        !self.given.is_empty() && !self.family.is_empty()
    }

    /// Whether our words have the first given name and all of the family name of `parted`, each with words of their own.
    fn has_parts_of(&self, parted: &Self) -> bool {
        let mut left = self.all.clone();
        let family_found = remove_run(&mut left, &parted.family.concat());
        family_found && parted.given.first().is_some_and(|first| left.contains(first) || left.concat() == parted.given.concat())
    }

    fn take_generation(&mut self) {
        let is_generation = |word: &String| matches!(word.as_str(), "jr" | "sr" | "ii" | "iii" | "iv" | "2nd" | "3rd");
        for words in [&mut self.given, &mut self.family, &mut self.all] {
            if words.len() > 1
                && let Some(at) = words.iter().skip(1).position(is_generation)
            {
                self.generation = Some(words.remove(at + 1));
            }
        }
    }
}

fn same_family(left: &[String], right: &[String]) -> bool {
    left == right || left.concat() == right.concat()
}

/// The first given name decides; "Mary Ann" and "Maryann" are one.
fn same_given(left: &[String], right: &[String]) -> bool {
    left.first() == right.first() || left.concat() == right.concat() || begins_joined(left, right) || begins_joined(right, left)
}

/// Whether the first two words of `parted` joined are the first of `joined`.
fn begins_joined(parted: &[String], joined: &[String]) -> bool {
    match (parted, joined.first()) {
        ([first, second, ..], Some(whole)) => {
            second.len() > 1 && whole.len() == first.len() + second.len() && format!("{first}{second}") == *whole
        }
        _ => false,
    }
}

/// Two whole names: first and last word are the same, in either order; a name of one word equals only itself.
fn same_ends(left: &[String], right: &[String]) -> bool {
    match (left, right) {
        ([], _) | (_, []) => false,
        ([one], other) | (other, [one]) => other.concat() == *one,
        ([first, .., last], [other_first, .., other_last]) => {
            (first == other_first && last == other_last) || (first == other_last && last == other_first)
        }
    }
}

/// Takes out the run of words that, joined, are `wanted`.
fn remove_run(words: &mut Vec<String>, wanted: &str) -> bool {
    for start in 0..words.len() {
        let mut rest = wanted;
        for end in start..words.len() {
            let Some(after) = rest.strip_prefix(words[end].as_str()) else { break };
            rest = after;
            if rest.is_empty() {
                words.drain(start..=end);
                return true;
            }
        }
    }
    false
}

/// The folded words of a text.
fn words(text: &str) -> Vec<String> {
    if text.is_ascii() {
        return split(text.bytes().map(|byte| byte.to_ascii_lowercase() as char));
    }
    split(text.nfkd().filter(|character| !is_combining_mark(*character)).flat_map(char::to_lowercase).flat_map(folded))
}

fn split(characters: impl Iterator<Item = char>) -> Vec<String> {
    let mut words = Vec::with_capacity(3);
    let mut word = String::new();
    for character in characters {
        match character {
            '\'' | '\u{2019}' | '\u{2018}' | '`' | '.' => {}
            _ if character.is_alphanumeric() => word.push(character),
            _ if word.is_empty() => {}
            _ => words.push(std::mem::take(&mut word)),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Letters that have no accent to take off but are written plainly in many systems.
fn folded(character: char) -> impl Iterator<Item = char> {
    let plain: &'static str = match character {
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'þ' => "th",
        'ı' => "i",
        _ => "",
    };
    plain.chars().chain(plain.is_empty().then_some(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parted(given: &str, family: &str) -> Name {
        Name::new(given, family, "")
    }

    fn whole(name: &str) -> Name {
        Name::new("", "", name)
    }

    #[test]
    fn one_person_in_many_spellings() {
        for (left, right) in [
            (parted("ADA", "EXAMPLE"), parted("Ada", "Example")),
            (parted("ADA B", "EXAMPLE"), parted("Ada", "Example")),
            (parted("Ada Bea", "Example"), parted("Ada Cleo", "Example")),
            (parted("Zoë", "Müller-Öz"), parted("ZOE", "MULLER OZ")),
            (parted("Søren", "Ægir"), parted("SOREN", "AEGIR")),
            (parted("Liam", "O'Neill"), parted("LIAM", "ONEILL")),
            (parted("Liam", "O\u{2019}Neill"), parted("LIAM", "O NEILL")),
            (parted("Maria", "de la Cruz"), parted("MARIA", "DELACRUZ")),
            (parted("Mary Ann", "Mock"), parted("Maryann", "Mock")),
            (parted("Mary-Ann C", "Mock"), parted("Maryann", "Mock")),
            (parted("Ada", "Example"), whole("EXAMPLE, ADA B")),
            (parted("Ada", "Example"), whole("EXAMPLE ADA")),
            (parted("Ada", "Example"), whole("Dr. Ada B. Example")),
            (parted("Maria", "de la Cruz"), whole("Maria Elena De La Cruz")),
            (parted("Maria", "Delacruz"), whole("Maria De La Cruz")),
            (parted("John", "Mock Jr"), parted("John", "Mock")),
            (parted("John", "Mock Jr."), parted("John Jr", "Mock")),
            (parted("James", "James"), whole("James B James")),
            (whole("Ada Example"), whole("EXAMPLE, ADA")),
            (whole("Ada B Example"), whole("ADA EXAMPLE")),
            (whole("Ada Example"), whole("EXAMPLE ADA")),
            (whole("Sukarno"), whole("SUKARNO")),
        ] {
            assert!(left.matches(&right), "{:?} {:?}", left.all, right.all);
            assert!(right.matches(&left), "{:?} {:?}", right.all, left.all);
        }
    }

    #[test]
    fn other_people() {
        for (left, right) in [
            (parted("Ada", "Example"), parted("Bea", "Example")),
            (parted("Ada", "Example"), parted("Ada", "Sample")),
            (parted("Ada", "Example"), parted("A", "Example")),
            (parted("Bea", "Example"), parted("Ada Bea", "Example")),
            (parted("John", "Mock Jr"), parted("John", "Mock Sr")),
            (parted("John", "Mock II"), whole("John Mock III")),
            (parted("James", "James"), whole("James Mock")),
            (parted("Ada", "Example"), whole("Example")),
            (parted("Ada", "Exam"), whole("Ada Example")),
            (whole("Ada Example"), whole("Ada Sample")),
            (whole("Maria Cruz Garcia"), whole("Maria Cruz")),
            (whole(""), whole("")),
            (parted("Ada", "Example"), whole("")),
            (parted("", "Example"), parted("", "Example Mock")),
        ] {
            assert!(!left.matches(&right), "{:?} {:?}", left.all, right.all);
            assert!(!right.matches(&left), "{:?} {:?}", right.all, left.all);
        }
    }
}
