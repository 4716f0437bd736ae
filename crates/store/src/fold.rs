//! Folding: texts that differ in case, accents or white space alone become the same text.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The text with compatibility forms resolved (NFKD), accents dropped, in lower case, and each run
/// of white space as one space, none at the ends.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return collapse(text.chars().map(|c| c.to_ascii_lowercase()), text.len());
    }
    // Lower case can bring accents of its own (`İ` becomes `i̇`), so they are dropped after it.
    let lower = text.nfkd().flat_map(char::to_lowercase).nfkd();
    let plain = lower.filter(|c| !is_combining_mark(*c)).map(|c| match c {
        'ς' => 'σ',
        other => other,
    });
    collapse(plain, text.len())
}

fn collapse(characters: impl Iterator<Item = char>, size_hint: usize) -> String {
    let mut folded = String::with_capacity(size_hint);
    let mut gap = false;
    for c in characters {
        if c.is_whitespace() {
            gap = true;
            continue;
        }
        if gap && !folded.is_empty() {
            folded.push(' ');
        }
        gap = false;
        folded.push(c);
    }
    folded
}

/// The beginning of a text that fits in so many bytes, cut between characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let end = text.floor_char_boundary(bytes_max);
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_accents_and_white_space_fold_away() {
        for (text, folded) in [
            ("Müller", "muller"),
            ("  van\tder  Berg ", "van der berg"),
            ("ÉCOLE", "ecole"),
            ("ﬁancé", "fiance"),
            ("İstanbul", "istanbul"),
            ("ΟΔΟΣ", "οδοσ"),
            ("οδος", "οδοσ"),
            ("Ångström", "angstrom"),
            ("\u{2003}", ""),
            ("", ""),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in any::<String>()) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn a_cut_is_a_beginning_that_fits(text in any::<String>(), bytes in 0usize..20) {
            let beginning = cut(&text, bytes);
            prop_assert!(beginning.len() <= bytes && text.starts_with(beginning));
        }
    }
}
