//! What a receiving server is like, and what it lists after EHLO.

use crate::EhloName;

/// Which extensions the server offers. PIPELINING is understood even where it is not offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offers {
    /// RFC 2920.
    pub pipelining: bool,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 3207.
    pub starttls: bool,
    /// RFC 2034.
    pub enhanced_status_codes: bool,
    /// RFC 1870, with [`ReceiverConfig::octets_max`].
    pub size: bool,
    /// Further EHLO lines as they stand, such as `LIMITS RCPTMAX=1`. Printable ASCII; others are left out.
    pub further: Vec<String>,
}

impl Default for Offers {
    /// Everything the machine can do, except STARTTLS, which needs a certificate.
    fn default() -> Self {
        Self { pipelining: true, eight_bit_mime: true, starttls: false, enhanced_status_codes: true, size: true, further: Vec::new() }
    }
}

/// What a receiving server is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiverConfig {
    /// What it calls itself.
    pub name: EhloName,
    /// What it offers.
    pub offers: Offers,
    /// Octets of a message; more is refused with 552.
    pub octets_max: usize,
    /// Whether MAIL needs TLS first (530 otherwise).
    pub requires_tls: bool,
}

impl ReceiverConfig {
    /// A server of this name with default offers and the engine's own message limit.
    pub fn new(name: EhloName) -> Self {
        Self { name, offers: Offers::default(), octets_max: model::limits::MESSAGE_BYTES_MAX, requires_tls: false }
    }
}

/// The EHLO lines behind the name.
pub(crate) fn offered_lines(config: &ReceiverConfig, encrypted: bool) -> Vec<String> {
    let offers = &config.offers;
    let mut lines: Vec<String> = Vec::new();
    if offers.pipelining {
        lines.push("PIPELINING".into());
    }
    if offers.size {
        lines.push(format!("SIZE {}", config.octets_max));
    }
    if offers.eight_bit_mime {
        lines.push("8BITMIME".into());
    }
    // RFC 3207 section 4.2: "A server MUST NOT return the STARTTLS extension […] after a TLS handshake has completed."
    if offers.starttls && !encrypted {
        lines.push("STARTTLS".into());
    }
    if offers.enhanced_status_codes {
        lines.push("ENHANCEDSTATUSCODES".into());
    }
    lines.extend(offers.further.iter().filter(|line| line.bytes().all(|byte| matches!(byte, b' '..=b'~'))).cloned());
    lines
}
