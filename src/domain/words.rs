//! Words for people: lengths of time, and texts of others that nothing may hide in.

use std::borrow::Cow;

use jiff::SignedDuration;

/// A length of time in its largest unit, of which there are at least two.
pub fn in_words(length: SignedDuration) -> String {
    let minutes = length.as_mins().max(0);
    match minutes {
        ..2 => format!("{} seconds", length.as_secs().max(0)),
        2..120 => format!("{minutes} minutes"),
        120..2880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / (24 * 60)),
    }
}

/// A text of others, for a page or a terminal: what moves the cursor, hides, or turns the direction of writing is shown by
/// its number.
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(hides) {
        return text.into();
    }
    let shown = |c: char| if hides(c) { format!("[U+{:04X}]", u32::from(c)) } else { c.to_string() };
    text.chars().map(shown).collect()
}

fn hides(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_told_in_its_largest_unit_of_which_there_are_two() {
        let rows = [
            (-5, "0 seconds"),
            (0, "0 seconds"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (2 * 3600 - 1, "119 minutes"),
            (2 * 3600, "2 hours"),
            (48 * 3600 - 1, "47 hours"),
            (48 * 3600, "2 days"),
        ];
        for (seconds, expected) in rows {
            assert_eq!(in_words(SignedDuration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn what_hides_or_moves_the_cursor_is_shown_by_its_number() {
        assert_eq!(
            shown("a\u{1b}[2J\u{7}\u{202e}b\u{200b}\r\n\tc"),
            "a[U+001B][2J[U+0007][U+202E]b[U+200B]\r\n\tc"
        );
        assert!(matches!(shown("Grüße \u{5e9}\u{5dc}"), Cow::Borrowed(_)));
    }
}
