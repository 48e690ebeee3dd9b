//! What a client writes: RFC 5321 section 4.1.1.
//!
//! Arguments are types that cannot hold a CR, LF or `>`: [`EhloName`] and [`Mailbox`]. So no argument can become a
//! second command.

use crate::EhloName;
use model::Mailbox;
use std::io::Write;

/// One command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// EHLO.
    Ehlo(&'a EhloName),
    /// HELO, for servers that do not know EHLO.
    Helo(&'a EhloName),
    /// STARTTLS.
    StartTls,
    /// MAIL FROM.
    Mail {
        /// `None` is the null reverse-path.
        sender: Option<&'a Mailbox>,
        /// The SIZE parameter (RFC 1870), in octets before dot-stuffing; only where offered.
        size: Option<u64>,
    },
    /// RCPT TO.
    Recipient(&'a Mailbox),
    /// DATA.
    Data,
    /// RSET.
    Reset,
    /// QUIT.
    Quit,
}

impl Command<'_> {
    /// Appends the command line with its CRLF.
    pub fn write_to(&self, output: &mut Vec<u8>) {
        match self {
            Self::Ehlo(name) => write!(output, "EHLO {name}\r\n"),
            Self::Helo(name) => write!(output, "HELO {name}\r\n"),
            Self::StartTls => output.write_all(b"STARTTLS\r\n"),
            Self::Mail { sender, size } => {
                let path = sender.map(Mailbox::reveal).unwrap_or_default();
                match size {
                    Some(size) => write!(output, "MAIL FROM:<{path}> SIZE={size}\r\n"),
                    None => write!(output, "MAIL FROM:<{path}>\r\n"),
                }
            }
            Self::Recipient(mailbox) => write!(output, "RCPT TO:<{}>\r\n", mailbox.reveal()),
            Self::Data => output.write_all(b"DATA\r\n"),
            Self::Reset => output.write_all(b"RSET\r\n"),
            Self::Quit => output.write_all(b"QUIT\r\n"),
        }
        .expect("writing to a vector does not fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Request;

    #[test]
    fn the_server_reads_what_the_client_writes() {
        let (name, mailbox) = (EhloName::parse("a.example").unwrap(), Mailbox::parse("ada+eob@b.example").unwrap());
        let cases = [
            (Command::Ehlo(&name), Request::Hello { name: name.clone(), extended: true }),
            (Command::Helo(&name), Request::Hello { name: name.clone(), extended: false }),
            (Command::StartTls, Request::StartTls),
            (Command::Mail { sender: Some(&mailbox), size: Some(7) }, Request::Mail { sender: Some(mailbox.clone()), size: Some(7) }),
            (Command::Mail { sender: None, size: None }, Request::Mail { sender: None, size: None }),
            (Command::Recipient(&mailbox), Request::Recipient { mailbox: mailbox.clone() }),
            (Command::Data, Request::Data),
            (Command::Reset, Request::Reset),
            (Command::Quit, Request::Quit),
        ];
        for (command, request) in cases {
            let mut wire = Vec::new();
            command.write_to(&mut wire);
            assert_eq!(Request::parse(wire.strip_suffix(b"\r\n").unwrap()), Ok(request));
        }
    }
}
