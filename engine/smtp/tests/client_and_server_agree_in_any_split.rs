//! The client machine and the server machine, wired back to back: whatever the server decides and however the bytes are cut,
//! the client reports exactly that, and an accepted message arrives as it was.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use model::Mailbox;
use model::stage::Envelope;
use proptest::prelude::*;
use smtp::{Answer, Conversation, END_OF_DATA, EhloName, Event, Next, Phase, Receiver, ReceiverConfig, StartTls, Stuffer};

/// What the server decides for one message: `None` accepts.
#[derive(Debug, Clone, Default)]
struct Decisions {
    mail: Option<u16>,
    rcpt: Option<u16>,
    data: Option<u16>,
    end: Option<u16>,
}

impl Decisions {
    /// What the client must report.
    fn expected(&self) -> (Phase, u16) {
        let negative = [(Phase::Mail, self.mail), (Phase::Rcpt, self.rcpt), (Phase::Data, self.data), (Phase::FinalDot, self.end)];
        negative.into_iter().find_map(|(phase, code)| code.map(|code| (phase, code))).unwrap_or((Phase::FinalDot, 250))
    }
}

struct Wire {
    client: Conversation,
    server: Receiver,
    chunk: usize,
    received: Vec<Vec<u8>>,
}

impl Wire {
    fn new(pipelining: bool, chunk: usize) -> Self {
        let mut config = ReceiverConfig::new(EhloName::parse("mx.b.example").unwrap());
        config.offers.pipelining = pipelining;
        let mut server = Receiver::new(config);
        server.greet();
        let client = Conversation::new(EhloName::parse("a.example").unwrap(), StartTls::Never);
        Self { client, server, chunk, received: Vec::new() }
    }

    /// Moves bytes both ways until the client wants something else than to read.
    fn run(&mut self, decisions: &Decisions) -> Next {
        loop {
            let to_server = std::mem::take(self.client.output());
            for part in to_server.chunks(self.chunk) {
                self.server.receive(part);
                self.decide(decisions);
            }
            let to_client = self.server.output().to_vec();
            self.server.output_written(to_client.len());
            for part in to_client.chunks(self.chunk) {
                self.client.receive(part).unwrap();
            }
            match self.client.next_step() {
                Next::Read => assert!(!self.client.output().is_empty() || !to_client.is_empty(), "both sides wait"),
                next => return next,
            }
        }
    }

    fn decide(&mut self, decisions: &Decisions) {
        while let Some(event) = self.server.next_event() {
            let code = match &event {
                Event::Mail { .. } => decisions.mail,
                Event::Recipient { .. } => decisions.rcpt,
                Event::Data => decisions.data,
                Event::Message(_) => decisions.end,
                _ => None,
            };
            match code {
                _ if !event.needs_answer() => {}
                Some(code) => self.server.answer(&Answer::new(code, None, "as\ndecided").unwrap()),
                None => self.server.accept(),
            }
            if let Event::Message(content) = event {
                self.received.push(content);
            }
        }
    }

    fn send(&mut self, content: &[u8], decisions: &Decisions) -> (Phase, u16) {
        let envelope = Envelope { sender: None, recipient: Mailbox::parse("ada@b.example").unwrap() };
        self.client.begin(&envelope, content.len() as u64).unwrap();
        let mut next = self.run(decisions);
        if next == Next::SendContent {
            let mut stuffer = Stuffer::new();
            let mut wire = Vec::new();
            stuffer.push(content, &mut wire).unwrap();
            stuffer.finish(&mut wire).unwrap();
            wire.extend_from_slice(END_OF_DATA);
            self.client.content_sent().unwrap();
            self.client.output().extend_from_slice(&wire);
            next = self.run(decisions);
        }
        match next {
            Next::Ended { phase, reply } => (phase, reply.code),
            other => panic!("{other:?}"),
        }
    }
}

fn code() -> impl Strategy<Value = Option<u16>> {
    prop::option::weighted(0.3, prop::sample::select(vec![450_u16, 452, 550, 554, 552]))
}

prop_compose! {
    fn decisions()(mail in code(), rcpt in code(), data in code(), end in code()) -> Decisions {
        Decisions { mail, rcpt, data, end }
    }
}

proptest! {
    #[test]
    fn every_decision_is_reported_and_every_accepted_message_arrives(
        messages in prop::collection::vec((decisions(), "([.a]{0,3}\r\n){0,4}"), 1..5), pipelining: bool, chunk in 1usize..40
    ) {
        let mut wire = Wire::new(pipelining, chunk);
        prop_assert_eq!(wire.run(&Decisions::default()), Next::Ready);
        let mut accepted = Vec::new();
        for (decisions, content) in messages {
            prop_assert_eq!(wire.send(content.as_bytes(), &decisions), decisions.expected());
            prop_assert!(wire.client.is_usable());
            let reached_the_end = decisions.mail.is_none() && decisions.rcpt.is_none() && decisions.data.is_none();
            if reached_the_end {
                accepted.push(content.into_bytes());
            }
        }
        prop_assert_eq!(&wire.received, &accepted);
        wire.client.quit();
        prop_assert_eq!(wire.run(&Decisions::default()), Next::Closed);
        prop_assert!(wire.server.is_finished());
    }
}
