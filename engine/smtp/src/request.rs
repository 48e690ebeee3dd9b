//! One command line as a server reads it: RFC 5321 section 4.1.1, strictly.
//!
//! Addresses are [`Mailbox`]es, so they are checked and do not print. Source routes, quoted local parts and parameters
//! of extensions this crate does not offer are refused with the reply code RFC 5321 gives for it.

use crate::{Answer, EhloName};
use model::Mailbox;

/// RFC 5321 section 4.5.3.1.4: octets of a command line with CRLF; section 4.1.1.11 and extensions allow longer ones.
pub const COMMAND_LINE_BYTES_MAX: usize = 2048;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// EHLO (`extended`) or HELO.
    Hello {
        /// What the client calls itself.
        name: EhloName,
        /// Whether it said EHLO.
        extended: bool,
    },
    /// MAIL FROM.
    Mail {
        /// `None` is the null reverse-path.
        sender: Option<Mailbox>,
        /// The SIZE parameter (RFC 1870), in octets.
        size: Option<u64>,
    },
    /// RCPT TO.
    Recipient {
        /// To whom.
        mailbox: Mailbox,
    },
    /// DATA.
    Data,
    /// STARTTLS.
    StartTls,
    /// RSET.
    Reset,
    /// NOOP.
    Noop,
    /// VRFY or EXPN.
    Verify,
    /// QUIT.
    Quit,
}

/// Why a line is not a command this server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not a command of RFC 5321.
    #[error("not a command")]
    Unknown,
    /// The arguments do not follow the grammar.
    #[error("arguments do not follow RFC 5321 section 4.1.2")]
    Syntax,
    /// The address is not one that sealpost's own [`Mailbox`] could hold.
    #[error("address does not follow RFC 5321 section 4.1.2")]
    Address,
    /// A parameter of an extension that was not offered.
    #[error("parameter of an extension that was not offered")]
    Parameter,
}

impl RequestError {
    /// The reply RFC 5321 section 4.2.2 gives for it.
    pub fn answer(self) -> Answer {
        match self {
            Self::Unknown => Answer::constant(500, (5, 5, 1), "Command not recognized"),
            Self::Syntax => Answer::constant(501, (5, 5, 4), "Syntax error in parameters or arguments"),
            Self::Address => Answer::constant(501, (5, 1, 3), "Bad address syntax"),
            // RFC 5321 section 4.1.1.11: "the server MUST reject the command with reply code 555".
            Self::Parameter => Answer::constant(555, (5, 5, 4), "Parameter not recognized or not implemented"),
        }
    }
}

impl Request {
    /// Reads a command line without its CRLF.
    ///
    /// # Errors
    /// [`RequestError`], which knows its reply.
    pub fn parse(line: &[u8]) -> Result<Self, RequestError> {
        // RFC 5321 section 4.1.1: commands are ASCII; a control character has no place in one.
        if !line.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(RequestError::Syntax);
        }
        let line = std::str::from_utf8(line).map_err(|_| RequestError::Syntax)?.trim_end();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let is = |name: &str| verb.eq_ignore_ascii_case(name);
        match () {
            () if is("EHLO") => hello(rest, true),
            () if is("HELO") => hello(rest, false),
            () if is("MAIL") => mail(rest),
            () if is("RCPT") => recipient(rest),
            () if is("DATA") => bare(rest, Self::Data),
            () if is("STARTTLS") => bare(rest, Self::StartTls),
            () if is("RSET") => bare(rest, Self::Reset),
            () if is("QUIT") => bare(rest, Self::Quit),
            () if is("NOOP") => Ok(Self::Noop),
            () if is("VRFY") || is("EXPN") => Ok(Self::Verify),
            () => Err(RequestError::Unknown),
        }
    }
}

fn bare(rest: &str, request: Request) -> Result<Request, RequestError> {
    if rest.is_empty() { Ok(request) } else { Err(RequestError::Syntax) }
}

fn hello(rest: &str, extended: bool) -> Result<Request, RequestError> {
    let name = EhloName::parse(rest.trim()).map_err(|_| RequestError::Syntax)?;
    Ok(Request::Hello { name, extended })
}

fn mail(rest: &str) -> Result<Request, RequestError> {
    let (path, parameters) = path_after(rest, "FROM:")?;
    let sender = if path.is_empty() { None } else { Some(Mailbox::parse(path).map_err(|_| RequestError::Address)?) };
    let mut size = None;
    for parameter in parameters.split_ascii_whitespace() {
        let (keyword, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if keyword.eq_ignore_ascii_case("SIZE") {
            // RFC 1870 section 4: 1*20DIGIT.
            size = Some(value.parse().map_err(|_| RequestError::Syntax)?);
        } else if keyword.eq_ignore_ascii_case("BODY") {
            // RFC 6152 section 3: 7BIT or 8BITMIME.
            if !value.eq_ignore_ascii_case("7BIT") && !value.eq_ignore_ascii_case("8BITMIME") {
                return Err(RequestError::Syntax);
            }
        } else {
            return Err(RequestError::Parameter);
        }
    }
    Ok(Request::Mail { sender, size })
}

fn recipient(rest: &str) -> Result<Request, RequestError> {
    let (path, parameters) = path_after(rest, "TO:")?;
    if !parameters.trim().is_empty() {
        return Err(RequestError::Parameter);
    }
    Ok(Request::Recipient { mailbox: Mailbox::parse(path).map_err(|_| RequestError::Address)? })
}

/// Splits `FROM:<path> parameters`.
fn path_after<'a>(rest: &'a str, keyword: &str) -> Result<(&'a str, &'a str), RequestError> {
    let (head, tail) = rest.split_at_checked(keyword.len()).ok_or(RequestError::Syntax)?;
    if !head.eq_ignore_ascii_case(keyword) {
        return Err(RequestError::Syntax);
    }
    let (path, parameters) = tail.strip_prefix('<').and_then(|open| open.split_once('>')).ok_or(RequestError::Syntax)?;
    if path.trim() != path || !(parameters.is_empty() || parameters.starts_with(' ')) {
        return Err(RequestError::Syntax);
    }
    Ok((path, parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_commands_of_a_delivery() {
        assert_eq!(
            Request::parse(b"mail from:<Eob@plan.example> SIZE=20000 body=8bitmime"),
            Ok(Request::Mail { sender: Some(Mailbox::parse("Eob@plan.example").unwrap()), size: Some(20_000) })
        );
        assert_eq!(Request::parse(b"MAIL FROM:<>"), Ok(Request::Mail { sender: None, size: None }));
        assert_eq!(
            Request::parse(b"RCPT TO:<ada@b.example>"),
            Ok(Request::Recipient { mailbox: Mailbox::parse("ada@b.example").unwrap() })
        );
        assert_eq!(
            Request::parse(b"EHLO [192.0.2.1]"),
            Ok(Request::Hello { name: EhloName::parse("[192.0.2.1]").unwrap(), extended: true })
        );
        assert_eq!(Request::parse(b"Data "), Ok(Request::Data));
    }

    #[test]
    fn refuses_with_the_code_of_the_rfc() {
        for (line, code) in [
            (&b"XYZZY"[..], 500),
            (b"", 500),
            (b"EHLO", 501),
            (b"DATA now", 501),
            (b"MAIL FROM: <a@b.example>", 501),
            (b"MAIL FROM:a@b.example", 501),
            (b"MAIL FROM:<@x:a@b.example>", 501),
            (b"MAIL FROM:<a@b.example>SIZE=1", 501),
            (b"MAIL FROM:<a@b.example> SIZE=-1", 501),
            (b"MAIL FROM:<a@b.example> AUTH=<>", 555),
            (b"RCPT TO:<a@b.example> NOTIFY=NEVER", 555),
            (b"RCPT TO:<>", 501),
            (b"MA\0IL", 501),
            (b"MAIL FROM:<\xff@b.example>", 501),
        ] {
            assert_eq!(Request::parse(line).unwrap_err().answer().code(), code, "{}", String::from_utf8_lossy(line));
        }
    }
}
