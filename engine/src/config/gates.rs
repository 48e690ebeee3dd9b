//! `[tenants.NAME.gates]`: what must hold before the first message of a batch.

use super::document::Section;
use crate::settings::{ReleaseRule, TenantGates};
use intake::gates::{GateSettings, PerMille};
use std::time::Duration;

const CYCLES: std::ops::RangeInclusive<u64> = 1..=24;
const AGE: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(366 * 86_400);
const CANARY_MAX: u64 = 1_000_000;

/// Which gates stand before `sealpost send`.
#[derive(Clone, Copy)]
enum AtSend {
    All,
    Shear,
    None,
}

/// The gates of a tenant; absent reads as the defaults.
pub(super) fn gates(section: Section<'_>) -> TenantGates {
    let usual = TenantGates::default();
    let before = &usual.dropped;
    let dropped = GateSettings {
        rejects: share(&section, "rejects", before.rejects),
        file_damage: section.flag("file_damage").unwrap_or(before.file_damage),
        volume: share(&section, "volume", before.volume),
        cycles: section.number("cycles", CYCLES).and_then(|cycles| usize::try_from(cycles).ok()).unwrap_or(before.cycles),
        contacts_age: section.span("contacts_age", AGE).or(before.contacts_age),
        contacts_shrink: share(&section, "contacts_shrink", before.contacts_shrink),
        shear: section.flag("shear").unwrap_or(before.shear),
        foreign_addresses: share(&section, "foreign_addresses", Some(before.foreign_addresses)).unwrap_or(PerMille(10_000)),
        changed_addresses: share(&section, "changed_addresses", Some(before.changed_addresses)).unwrap_or(PerMille(10_000)),
    };
    let at_send = section.word("at_send", &[("all", AtSend::All), ("shear", AtSend::Shear), ("none", AtSend::None)]);
    let sent = match at_send.unwrap_or(AtSend::Shear) {
        AtSend::All => dropped.clone(),
        AtSend::Shear => GateSettings {
            shear: dropped.shear,
            foreign_addresses: dropped.foreign_addresses,
            changed_addresses: dropped.changed_addresses,
            ..GateSettings::open()
        },
        AtSend::None => GateSettings::open(),
    };
    let release = section.word("release", &[("auto", ReleaseRule::Auto), ("after_proof", ReleaseRule::AfterProof)]);
    let gates = TenantGates { dropped, sent, release: release.unwrap_or(usual.release), canary: section.number("canary", 1..=CANARY_MAX) };
    section.finish();
    gates
}

/// A share such as `"1%"`, or `"off"`.
fn share(section: &Section<'_>, key: &'static str, usual: Option<PerMille>) -> Option<PerMille> {
    let expected = "expected a share such as \"1%\" or \"0.5%\", or \"off\"";
    let read = |text: &str| if text == "off" { Some(None) } else { PerMille::parse(text).map(Some) };
    section.parsed(key, expected, read).unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::settings::{ReleaseRule, TenantGates};
    use intake::gates::{GateSettings, PerMille};
    use std::path::Path;

    /// The reference with other gates.
    fn gates(typed: &str) -> Result<TenantGates, String> {
        let (before, rest) = Config::default_text().split_once("[tenants.lakeside.gates]\n").unwrap();
        let (_, after) = rest.split_once("\n# -----").unwrap();
        let text = format!("{before}[tenants.lakeside.gates]\n{typed}\n# -----{after}");
        let config = Config::from_text(&text, Path::new("a.toml"), &|_| None).map_err(|errors| errors.to_string())?;
        Ok(config.tenants[0].gates.clone())
    }

    #[test]
    fn a_gate_is_set_or_switched_off() {
        let set = gates("rejects = \"2.5%\"\nvolume = \"off\"\nat_send = \"all\"\nrelease = \"after_proof\"\ncanary = 50\n").unwrap();
        assert_eq!((set.dropped.rejects, set.dropped.volume), (Some(PerMille(25)), None));
        assert_eq!((set.sent.clone(), set.release, set.canary), (set.dropped, ReleaseRule::AfterProof, Some(50)));
        assert_eq!(gates("").unwrap(), TenantGates::default());
        assert_eq!(gates("at_send = \"none\"").unwrap().sent, GateSettings::open());
        let error = gates("rejects = \"1\"").unwrap_err();
        assert!(error.contains("tenants.lakeside.gates.rejects: expected a share such as"), "{error}");
    }
}
