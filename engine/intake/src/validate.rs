//! Checks that all formats share: text, dates, and which statements may be mailed.

use crate::reason;
use jiff::civil::Date;
use model::limits::TEXT_FIELD_BYTES_MAX;
use model::statement::{ClaimStatus, LiabilityRule, NoteKind};

/// Whether a text may stand in a statement: bounded, and without control characters, which could break a header or a line.
///
/// # Errors
/// The reason code.
pub(crate) fn check_text(text: &str) -> Result<(), &'static str> {
    if text.len() > TEXT_FIELD_BYTES_MAX {
        return Err(reason::TEXT_TOO_LONG);
    }
    // Without an early end, so that many bytes are looked at at once.
    let printable_ascii = text.bytes().fold(true, |printable, byte| printable & (b' '..0x7f).contains(&byte));
    if !printable_ascii && text.chars().any(char::is_control) {
        return Err(reason::TEXT_CONTROL_CHARACTER);
    }
    Ok(())
}

/// `CCYYMMDD`.
pub(crate) fn compact_date(text: &[u8]) -> Option<Date> {
    if text.len() != 8 {
        return None;
    }
    date(&text[..4], &text[4..6], &text[6..])
}

/// `CCYY-MM-DD`.
pub(crate) fn iso_date(text: &[u8]) -> Option<Date> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    date(&text[..4], &text[5..7], &text[8..])
}

/// From the digits of year, month and day; `None` where there are other bytes or no such day.
pub(crate) fn date(year: &[u8], month: &[u8], day: &[u8]) -> Option<Date> {
    let number = |digits: &[u8]| digits.iter().try_fold(0i16, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i16::from(byte - b'0')));
    Date::new(number(year)?, i8::try_from(number(month)?).ok()?, i8::try_from(number(day)?).ok()?).ok()
}

/// What kind of code it is, by its form: `CO-45` is an adjustment (group and CARC), `N130` or `MA18` a remark (RARC).
pub(crate) fn note_kind(code: &str) -> NoteKind {
    let is_adjustment = matches!(code.split_once('-'), Some(("CO" | "PR" | "OA" | "PI" | "CR", reason)) if !reason.is_empty());
    let digits = code.strip_prefix("MA").or_else(|| code.strip_prefix(['M', 'N']));
    let is_remark = digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    match (is_adjustment, is_remark) {
        (true, _) => NoteKind::Adjustment,
        (_, true) => NoteKind::Remark,
        _ => NoteKind::Message,
    }
}

/// Why a statement of this status is never mailed.
pub(crate) fn not_mailable(status: ClaimStatus, rule: LiabilityRule) -> Option<&'static str> {
    match status {
        ClaimStatus::Reversal => Some(reason::REVERSAL),
        ClaimStatus::NotOurClaim => Some(reason::NOT_OUR_CLAIM),
        ClaimStatus::Predetermination => Some(reason::PREDETERMINATION),
        ClaimStatus::Unknown => Some(reason::STATUS_UNKNOWN),
        _ if rule == LiabilityRule::Unknown => Some(reason::LIABILITY_UNKNOWN),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_real_or_nothing() {
        assert_eq!(compact_date(b"20240229"), Some(Date::constant(2024, 2, 29)));
        assert_eq!(iso_date(b"2024-02-29"), Some(Date::constant(2024, 2, 29)));
        for text in ["20230229", "00000000", "2024022", "2024022x", "99999999", "+2024022"] {
            assert_eq!(compact_date(text.as_bytes()), None, "{text}");
        }
        for text in ["2024-2-29", "2024/02/29", "2024-13-01", "2024-02-29T"] {
            assert_eq!(iso_date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn control_characters_and_long_texts_are_named() {
        assert_eq!(check_text("Zoë O'Neill, 3rd"), Ok(()));
        assert_eq!(check_text("a\r\nBcc: b"), Err(reason::TEXT_CONTROL_CHARACTER));
        assert_eq!(check_text("a\u{85}b"), Err(reason::TEXT_CONTROL_CHARACTER));
        assert_eq!(check_text(&"a".repeat(1_001)), Err(reason::TEXT_TOO_LONG));
    }
}
