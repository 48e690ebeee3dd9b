//! What a server offers in its answer to EHLO (RFC 5321 section 4.1.1.1).
//!
//! Unknown keywords are left alone. What was learned before STARTTLS does not count after it; whoever holds a
//! [`Capabilities`] replaces it by the answer to the second EHLO (RFC 3207 section 4.2).

use model::Reply;

/// The extensions a server offers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// RFC 2920: commands may be sent without waiting for each reply.
    pub pipelining: bool,
    /// RFC 1870.
    pub size: bool,
    /// RFC 1870: octets of the largest message; `None` where there is no fixed limit.
    pub size_max: Option<u64>,
    /// RFC 6152.
    pub eight_bit_mime: bool,
    /// RFC 3207.
    pub starttls: bool,
    /// RFC 2034.
    pub enhanced_status_codes: bool,
    /// RFC 3030.
    pub chunking: bool,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 3461.
    pub dsn: bool,
    /// RFC 8689.
    pub require_tls: bool,
    /// RFC 9422, MAILMAX: messages on one connection.
    pub messages_max: Option<u32>,
    /// RFC 9422, RCPTMAX: recipients of one message.
    pub recipients_max: Option<u32>,
}

impl Capabilities {
    /// Reads the positive reply to EHLO; its first line is the server's greeting.
    pub fn from_reply(reply: &Reply) -> Self {
        let mut capabilities = Self::default();
        for line in reply.text.reveal().split('\n').skip(1) {
            capabilities.learn(line);
        }
        capabilities
    }

    fn learn(&mut self, line: &str) {
        // RFC 5321 section 4.1.1.1: keywords are case-insensitive. Old servers write `SIZE=1000`.
        let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
        let Some(keyword) = words.next() else { return };
        match keyword.to_ascii_uppercase().as_str() {
            "PIPELINING" => self.pipelining = true,
            "SIZE" => {
                self.size = true;
                // RFC 1870 section 4: zero, or no number, says that there is no fixed maximum.
                self.size_max = words.next().and_then(|word| word.parse().ok()).filter(|&octets| octets > 0);
            }
            "8BITMIME" => self.eight_bit_mime = true,
            "STARTTLS" => self.starttls = true,
            "ENHANCEDSTATUSCODES" => self.enhanced_status_codes = true,
            "CHUNKING" => self.chunking = true,
            "SMTPUTF8" => self.smtputf8 = true,
            "DSN" => self.dsn = true,
            "REQUIRETLS" => self.require_tls = true,
            "LIMITS" => self.learn_limits(line),
            _ => {}
        }
    }

    /// RFC 9422 section 4: `LIMITS name=value name=value`; a limit of zero means nothing.
    fn learn_limits(&mut self, line: &str) {
        for (name, value) in line.split_ascii_whitespace().skip(1).filter_map(|limit| limit.split_once('=')) {
            let value = value.parse().ok().filter(|&limit| limit > 0);
            match name.to_ascii_uppercase().as_str() {
                "MAILMAX" => self.messages_max = value,
                "RCPTMAX" => self.recipients_max = value,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Capabilities {
        Capabilities::from_reply(&Reply { code: 250, enhanced: None, text: text.into() })
    }

    #[test]
    fn reads_keywords_in_any_case() {
        let capabilities = read(
            "mx.example PIPELINING\npipelining\nSIZE 52428800\n8BITMIME\nStartTLS\nENHANCEDSTATUSCODES\nLIMITS MAILMAX=5 rcptmax=1\nX-NEW a",
        );
        assert!(capabilities.pipelining && capabilities.starttls && capabilities.enhanced_status_codes && capabilities.eight_bit_mime);
        assert_eq!(capabilities.size_max, Some(52_428_800));
        assert_eq!((capabilities.messages_max, capabilities.recipients_max), (Some(5), Some(1)));
    }

    #[test]
    fn the_greeting_line_is_no_keyword_and_size_zero_no_limit() {
        assert_eq!(read("PIPELINING"), Capabilities::default());
        assert_eq!(read("mx\nSIZE 0"), Capabilities { size: true, ..Capabilities::default() });
        assert_eq!(read("mx\nSIZE=77").size_max, Some(77));
        assert_eq!(read("mx\n\nLIMITS\nLIMITS MAILMAX=0"), Capabilities::default());
    }
}
