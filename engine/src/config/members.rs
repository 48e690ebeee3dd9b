//! How a tenant's statements find their readers: consent, majority, days, missing addresses, and `[tenants.NAME.detail]`.
//!
//! Whether a consent must be on file before a statement goes by e-mail is the tenant's to know (29 CFR 2520.104b-1(c): not for
//! participants who use the plan's e-mail at work, else yes). Until it is written, `where_stated` goes by what the contact data keeps,
//! and in `live` `check-config` and each start say that nobody decided.

use super::document::Section;
use intake::{AuthoritySettings, ConsentRule, DetailSettings, MemberSettings, NoAddressRule};
use model::{Destination, Detail};

/// The youngest and the oldest age of majority there is in the United States, with room.
const MAJORITY_YEARS: std::ops::RangeInclusive<u64> = 16..=25;

/// The settings of a tenant.
pub(super) fn members(section: &Section<'_>) -> MemberSettings {
    let rules =
        [("required", ConsentRule::Required), ("where_stated", ConsentRule::WhereStated), ("not_required", ConsentRule::NotRequired)];
    let defaults = AuthoritySettings::default();
    let authority = AuthoritySettings {
        consent: section.word("consent", &rules).unwrap_or(defaults.consent),
        majority_years: section
            .number("age_of_majority", MAJORITY_YEARS)
            .and_then(|years| u8::try_from(years).ok())
            .unwrap_or(defaults.majority_years),
        utc_offset_minutes: section
            .parsed("utc_offset", "expected an offset from UTC such as \"-05:00\"", offset_minutes)
            .unwrap_or(defaults.utc_offset_minutes),
    };
    let no_address =
        section.word("no_address", &[("hand_back", NoAddressRule::HandBack), ("to_paper", NoAddressRule::ToPaper)]).unwrap_or_default();
    MemberSettings { authority, detail: detail(&section.section("detail")), no_address }
}

fn detail(section: &Section<'_>) -> DetailSettings {
    let words = [("full", Detail::Full), ("notice", Detail::Notice), ("paper", Detail::Paper)];
    let defaults = DetailSettings::default();
    let settings = DetailSettings {
        default: section.word("default", &words).unwrap_or(defaults.default),
        medicaid: section.word("medicaid", &words).unwrap_or(defaults.medicaid),
        shared_address: section.word("shared_address", &words).unwrap_or(defaults.shared_address),
        employer_domains: section
            .list("employer_domains", "expected domains such as \"acme.example\"", |text| Destination::parse(text).ok())
            .unwrap_or_default(),
    };
    section.finish();
    settings
}

/// `+HH:MM` or `-HH:MM`.
fn offset_minutes(text: &str) -> Option<i16> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |digits: &str| (digits.len() == 2).then(|| digits.parse::<i16>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_to_the_minute() {
        for (text, minutes) in
            [("+00:00", Some(0)), ("-05:00", Some(-300)), ("+05:30", Some(330)), ("-5:00", None), ("05:00", None), ("-15:00", None)]
        {
            assert_eq!(offset_minutes(text), minutes, "{text}");
        }
    }
}
