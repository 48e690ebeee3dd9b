//! RFC 5321 as state machines without sockets, client and server side.
//!
//! Bytes go in, bytes and events come out; who reads and writes the socket, keeps the clock and does the
//! TLS handshake is somebody else. So one machine serves the engine, the receiving world of the load test,
//! the simulator and the fuzzers.
//!
//! Client: [`Conversation`] says what to write and what it waits for. Server: [`Receiver`] turns bytes
//! into [`Event`]s which its caller answers. Beneath them stand the parts: [`ReplyParser`], [`Capabilities`],
//! [`Command`], [`Stuffer`] and [`Unstuffer`].
//!
//! It promises: any split of the byte stream gives the same result; nothing it writes contains a bare CR or
//! LF, or a CR or LF that came in through an argument; it never ends a message anywhere but at
//! `CRLF . CRLF` (no SMTP smuggling); what was learned before STARTTLS is forgotten after it (RFC 3207 section 4.2).
//! It is strict in what it accepts as a server, and as a client tolerant where real servers deviate harmlessly.
//!
//! Deliberately absent: BDAT, AUTH, VRFY and EXPN beyond a refusal, several recipients per message
//! (sealpost sends one message to one recipient, invariant 13), retries, timeouts.

pub mod answer;
pub mod capabilities;
pub mod command;
pub mod conversation;
pub mod dots;
pub mod event;
pub mod name;
pub mod offers;
pub mod receiver;
pub mod reply;
pub mod request;
pub mod step;

pub use answer::{Answer, AnswerError};
pub use capabilities::Capabilities;
pub use command::Command;
pub use conversation::Conversation;
pub use dots::{BareLineEnd, END_OF_DATA, Stuffer, Unstuffer};
pub use event::{Event, Fault};
pub use name::{EhloName, EhloNameError};
pub use offers::{Offers, ReceiverConfig};
pub use receiver::Receiver;
pub use reply::{ReplyError, ReplyParser};
pub use request::{Request, RequestError};
pub use step::{Next, PeerMisbehaved, Phase, StartTls, TooLarge};
