//! Which name was probably meant: for every file that an operator types.

/// The nearest of some names, where one is near enough to be a slip.
pub fn nearest<'n>(typed: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let (distance, nearest) = names.map(|name| (distance(typed, name), name)).min()?;
    (distance <= 2 || distance * 3 <= nearest.len()).then_some(nearest)
}

/// Levenshtein distance; names are short.
pub fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, from) in left.chars().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, to) in right.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = change.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_from_another_word() {
        let names = ["claim_number", "provider", "payer"];
        assert_eq!(nearest("claimNumber", names.into_iter()), Some("claim_number"));
        assert_eq!(nearest("provder", names.into_iter()), Some("provider"));
        assert_eq!(nearest("colour", names.into_iter()), None);
    }
}
