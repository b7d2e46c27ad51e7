//! The Levenshtein distance: how many octets must be put in, taken out or changed.

/// The longest middle part that is compared; beyond it the lengths alone are.
const LONGEST: usize = 64;

/// The distance between two texts, where their common beginning and end cost nothing.
pub(crate) fn distance(a: &[u8], b: &[u8]) -> usize {
    let start = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[start..], &b[start..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[..a.len() - end], &b[..b.len() - end]);
    if a.is_empty() || b.is_empty() || a.len() > LONGEST || b.len() > LONGEST {
        return a.len().max(b.len());
    }
    let mut row: [usize; LONGEST + 1] = std::array::from_fn(|at| at);
    for (i, a) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in b.iter().enumerate() {
            let change = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_is_levenshteins() {
        for (a, b, expected) in [
            ("kitten", "sitting", 3),
            ("dsl-#.pool", "dsl-#.pool", 0),
            ("mail", "www", 4),
            ("", "abc", 3),
            ("flaw", "lawn", 2),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), expected);
            assert_eq!(distance(b.as_bytes(), a.as_bytes()), expected);
        }
        assert_eq!(distance(&[b'a'; 200], &[b'b'; 90]), 200);
    }
}
