//! What follows from what a receiver said, or did not say: delivered, queued, bounced, expired, uncertain or held.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod shipped;

use model::state::HoldReason;
use model::{State, Timestamp};
use outcome::{Action, Cause, Decision, Evidence, Phase, RetrySchedule, Scope, Standing, Trouble, UncertainRule};
use shipped::{answered, broken, hosts, reply, rules};
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const HOUR: u64 = 3_600_000;

fn decide_with(evidence: &Evidence<'_>, attempts: u16, deadline: Timestamp, uncertain: UncertainRule) -> Decision {
    let retry = RetrySchedule::default();
    rules().decide(evidence, &Standing { now: NOW, attempts, deadline, retry: &retry, uncertain, jitter: 0 })
}

fn decide(evidence: &Evidence<'_>) -> Decision {
    decide_with(evidence, 0, Timestamp(NOW.0 + 120 * HOUR), UncertainRule::Hold)
}

fn says(phase: Phase, line: &str) -> Decision {
    says_at(phase, line, "mx.example.org")
}

fn says_at(phase: Phase, line: &str, mx: &str) -> Decision {
    decide(&answered(phase, &reply(line), &hosts(mx)))
}

#[test]
fn a_positive_reply_to_the_final_dot_is_delivery() {
    let decision = says(Phase::FinalDot, "250 2.0.0 queued as 4711");
    assert_eq!((decision.state, decision.cause, decision.due, decision.feedback), (State::Delivered, Cause::Accepted, None, None));
}

#[test]
fn an_unknown_mailbox_is_a_case_for_a_person() {
    let decision = says(Phase::Rcpt, "550 5.1.1 No such user here");
    assert_eq!((decision.state, decision.cause, decision.scope), (State::Bounced, Cause::MailboxUnknown, Scope::Recipient));
    assert!(decision.rule.unwrap().starts_with("configs/bounces/rfc.toml:"));
    assert!(decision.cause.says_address_is_dead());
}

#[test]
fn greylisting_comes_back_in_a_minute_and_then_ever_later() {
    let answer = reply("451 4.7.1 Greylisted, come back later");
    let mx = hosts("mx.example.org");
    let evidence = answered(Phase::Rcpt, &answer, &mx);
    let due = |attempts| {
        let decision = decide_with(&evidence, attempts, Timestamp(NOW.0 + 120 * HOUR), UncertainRule::Hold);
        assert_eq!((decision.state, decision.cause), (State::Queued, Cause::Greylisted));
        decision.due.unwrap().since(NOW).as_secs() / 60
    };
    assert_eq!([due(0), due(1), due(2), due(3), due(9)], [1, 5, 15, 60, 240]);
}

#[test]
fn where_the_deadline_leaves_no_room_it_expires_with_its_last_cause() {
    let answer = reply("452 4.2.2 mailbox full");
    let mx = hosts("mx.example.org");
    let decision = decide_with(&answered(Phase::Rcpt, &answer, &mx), 7, Timestamp(NOW.0 + 60_000), UncertainRule::Hold);
    assert_eq!((decision.state, decision.cause, decision.due), (State::Expired, Cause::MailboxFull, None));
}

#[test]
fn after_the_last_byte_silence_is_uncertain_and_nothing_else() {
    let evidence = broken(Phase::FinalDot, Trouble::ConnectionLost, true);
    let held = decide(&evidence);
    assert_eq!((held.state, held.held, held.due), (State::Uncertain, Some(HoldReason::UncertainHold), None));
    let far = Timestamp(NOW.0 + 120 * HOUR);
    let resent = decide_with(&evidence, 0, far, UncertainRule::Resend);
    assert_eq!((resent.state, resent.held, resent.cause), (State::Uncertain, None, Cause::AnswerLost));
    assert!(resent.due.is_some() && resent.feedback.unwrap().close_connection);
    let too_late = decide_with(&evidence, 0, NOW, UncertainRule::Resend);
    assert_eq!((too_late.state, too_late.held), (State::Uncertain, Some(HoldReason::UncertainHold)), "it cannot simply expire");
}

#[test]
fn before_the_last_byte_silence_is_tried_again() {
    let decision = decide(&broken(Phase::Data, Trouble::ConnectionLost, false));
    assert_eq!((decision.state, decision.cause), (State::Queued, Cause::ConnectionLost));
}

#[test]
fn protection_that_is_not_to_be_had_holds_the_message() {
    for trouble in [Trouble::ProtectionUnavailable, Trouble::TlsCertificate] {
        let decision = decide(&broken(Phase::Tls, trouble, false));
        assert_eq!((decision.state, decision.held), (State::Held, Some(HoldReason::ProtectionUnavailable)), "{trouble:?}");
    }
    let far = Timestamp(NOW.0 + 120 * HOUR);
    let states =
        [0, 1, 2].map(|attempts| decide_with(&broken(Phase::Tls, Trouble::TlsHandshake, false), attempts, far, UncertainRule::Hold).state);
    assert_eq!(states, [State::Queued, State::Queued, State::Held], "a handshake may fail by chance, but not three times");
    assert_eq!(says(Phase::Tls, "454 4.7.0 TLS not available due to temporary reason").state, State::Queued);
}

#[test]
fn what_is_wrong_with_us_never_bounces_the_members_statement() {
    for (phase, line) in [
        (Phase::Connect, "554 5.7.1 blocked using zen.spamhaus.example"),
        (Phase::Greeting, "554 No SMTP service here"),
        (Phase::Greeting, "521 5.3.2 not accepting mail"),
        (Phase::Greeting, "550 5.1.1 nonsense in the greeting"),
        (Phase::Mail, "550 5.7.1 Client host rejected: cannot find your reverse hostname"),
        (Phase::Mail, "553 5.1.8 Domain of sender address does not exist"),
        (Phase::Mail, "550 5.7.1 go away"),
        (Phase::Rcpt, "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using bl.example"),
        (Phase::FinalDot, "550 5.7.26 This mail is unauthenticated"),
        (Phase::FinalDot, "550 5.7.1 message does not pass DMARC"),
    ] {
        let decision = says(phase, line);
        assert_eq!(decision.state, State::Queued, "{line}");
        assert!(decision.scope.is_between_us(), "{line}");
        assert!(matches!(decision.feedback.unwrap().action, Some(Action::Suspend(_))), "{line}");
    }
    let busy = says(Phase::Greeting, "421 too busy");
    assert_eq!(busy.feedback.unwrap().action, Some(Action::Suspend(Duration::from_secs(60))));
    let too_large = says(Phase::Mail, "552 5.3.4 message size exceeds limit");
    assert_eq!((too_large.state, too_large.cause), (State::Bounced, Cause::MessageTooLarge), "size is about the message even at MAIL");
}

#[test]
fn a_refused_content_is_about_this_message() {
    let decision = says(Phase::FinalDot, "554 5.7.1 Message content rejected, looks like spam");
    assert_eq!((decision.state, decision.cause, decision.scope), (State::Bounced, Cause::ContentRefused, Scope::Message));
}

#[test]
fn providers_words_become_what_they_ask_for() {
    let hours = |count: u64| Duration::from_secs(count * 3_600);
    let yahoo = "mta5.am0.yahoodns.net";
    for (mx, line, action) in [
        (yahoo, "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred", Action::Suspend(hours(2))),
        (yahoo, "421 4.7.0 [TSS05] Messages from 192.0.2.1 temporarily deferred", Action::Suspend(hours(4))),
        (yahoo, "421 [TS02] deferred", Action::Cap { messages: Some((1, Duration::from_secs(60))), connections: None, span: hours(1) / 2 }),
        (
            yahoo,
            "553 5.7.1 [TSS09] All messages from 192.0.2.1 permanently deferred; Retrying will NOT succeed",
            Action::Suspend(hours(24)),
        ),
        ("mx01.mail.icloud.com", "421 4.7.1 [HCM1] Message(s) deferred due to excessive volume", Action::Suspend(hours(1) / 4)),
        (
            "outlook-com.olc.protection.outlook.com",
            "550 5.7.1 part of their network is on our block list (S3140)",
            Action::Suspend(hours(24)),
        ),
        (
            "outlook-com.olc.protection.outlook.com",
            "451 4.7.650 The mail server has been temporarily rate limited",
            Action::Slow { factor: 4, span: hours(1) / 2 },
        ),
        ("mx1.comcast.net", "421 comcast Try again later RL000010", Action::Slow { factor: 4, span: hours(2) }),
        (
            "mx.example.org",
            "421 4.7.0 rate limited due to IP reputation",
            Action::Cap { messages: Some((1, Duration::from_secs(60))), connections: Some(1), span: hours(3) / 2 },
        ),
    ] {
        let decision = says_at(Phase::Greeting, line, mx);
        assert_eq!((decision.state, decision.feedback.unwrap().action), (State::Queued, Some(action)), "{line}");
    }
}

#[test]
fn google_says_by_what_it_counts() {
    let google = "gmail-smtp-in.l.google.com";
    let by_domain = says_at(Phase::FinalDot, "421 4.7.28 unusual rate of unsolicited mail originating from your DKIM domain", google);
    assert_eq!((by_domain.state, by_domain.scope), (State::Queued, Scope::Site), "another address would not help");
    let by_address = says_at(Phase::FinalDot, "421 4.7.28 unusual rate of unsolicited mail originating from your IP address", google);
    assert_eq!(by_address.scope, Scope::Lane);
    let mailbox = says_at(Phase::Rcpt, "450 4.2.1 The user you are trying to contact is receiving mail too quickly", google);
    assert_eq!((mailbox.scope, mailbox.feedback), (Scope::Recipient, None), "the lane has done nothing wrong");
    let unsigned = says_at(Phase::FinalDot, "550 5.7.26 Your email has been blocked because the sender is unauthenticated", google);
    assert!(unsigned.feedback.unwrap().page, "an operator must look");
}

#[test]
fn a_destination_that_takes_no_mail_bounces_and_dns_trouble_waits() {
    for trouble in [Trouble::NullMx, Trouble::DestinationUnknown] {
        assert_eq!(decide(&broken(Phase::Connect, trouble, false)).state, State::Bounced);
    }
    assert_eq!(decide(&broken(Phase::Connect, Trouble::DnsFailed, false)).state, State::Queued);
    let refused = decide(&broken(Phase::Connect, Trouble::ConnectionRefused, false));
    assert_eq!((refused.state, refused.scope, refused.feedback.unwrap().scope), (State::Queued, Scope::Site, Scope::Site));
}

#[test]
fn where_basic_and_enhanced_code_contradict_the_telling_one_wins() {
    assert_eq!(says(Phase::Rcpt, "550 4.2.2 mailbox full").state, State::Queued);
    assert_eq!(says(Phase::Rcpt, "450 5.1.1 user unknown").state, State::Bounced);
    assert_eq!(says(Phase::Rcpt, "450 5.7.1 try later").state, State::Queued);
    assert_eq!(says(Phase::Rcpt, "450 4.1.1 user unknown").state, State::Queued);
}

#[test]
fn what_we_stop_or_spoil_ourselves_is_not_the_receivers_doing() {
    let stopped = decide(&broken(Phase::Data, Trouble::Stopped, false));
    assert_eq!((stopped.state, stopped.due), (State::Queued, Some(NOW)));
    let malformed = decide(&broken(Phase::Mail, Trouble::Malformed, false));
    assert_eq!((malformed.state, malformed.held), (State::Held, Some(HoldReason::Unrenderable)));
}

#[test]
fn every_decision_is_a_state_an_attempt_may_lead_to() {
    let rules = rules();
    let retry = RetrySchedule::default();
    for uncertain in [UncertainRule::Hold, UncertainRule::Resend] {
        for deadline in [NOW, Timestamp(NOW.0 + 100 * HOUR)] {
            let standing = Standing { now: NOW, attempts: 1, deadline, retry: &retry, uncertain, jitter: 77 };
            let check = |evidence: &Evidence<'_>| {
                let decision = rules.decide(evidence, &standing);
                assert!(State::InFlight.may_become(decision.state), "{evidence:?} {decision:?}");
                assert_eq!(
                    decision.due.is_some(),
                    decision.state == State::Queued || (decision.state == State::Uncertain && decision.held.is_none())
                );
                let answer_lost = evidence.last_byte_written && evidence.reply.is_none();
                assert_eq!(decision.state == State::Uncertain, answer_lost, "{evidence:?}");
            };
            for phase in Phase::ALL {
                for trouble in Trouble::ALL {
                    check(&broken(phase, trouble, false));
                }
                for code in (200..600).step_by(7) {
                    check(&answered(phase, &reply(&format!("{code} anything")), &[]));
                }
            }
            check(&broken(Phase::FinalDot, Trouble::Timeout, true));
        }
    }
}
