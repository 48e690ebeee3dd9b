//! Pharmacy, dental and vision in their words; what a correction changed; limits as sentences; bills; why something was denied.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

mod invented;

use invented::{DATE, bill, corrected, delivery, denied, dental, job, month, note, pharmacy, renderer, statement, usual, vision};
use mail_parser::MessageParser;
use model::statement::{ClaimStatus, NoteKind};
use model::{Cents, Protection, Statement, Transactional};

fn both(statements: Vec<Statement>) -> [String; 2] {
    let preview = renderer().preview(&job(statements), DATE).unwrap();
    [preview.html, preview.text.split_whitespace().collect::<Vec<_>>().join(" ")]
}

fn subject(statements: Vec<Statement>) -> String {
    let message = renderer().render::<Transactional>(delivery(1), &job(statements), Protection::TlsVerified, DATE).unwrap();
    MessageParser::default().parse(&message.bytes[..]).unwrap().subject().unwrap().to_owned()
}

/// The first begins before the second, and so on.
fn in_order(part: &str, words: &[&str]) {
    let places: Vec<usize> = words.iter().map(|word| part.find(word).unwrap_or_else(|| panic!("{word} is missing in {part}"))).collect();
    assert!(places.is_sorted(), "{words:?} at {places:?}");
}

#[test]
fn each_type_of_claim_has_its_words() {
    for (statement, said, not_said) in [
        (
            pharmacy(),
            vec!["Prescription drugs", "Pharmacy", "Date filled", "Your prescriptions", "Pharmacy price", "Plan price", "Your cost"],
            "Provider billed",
        ),
        (dental(), vec!["Dental care", "Dentist", "Your dental services", "Dentist billed", "Network discount"], "Provider billed"),
        (
            vision(),
            vec!["Vision care", "Eye care provider", "Your eye care", "Plan allowance", "payment goes to you", "Out of network"],
            "Allowed amount",
        ),
    ] {
        for part in both(vec![statement]) {
            assert!(said.iter().all(|word| part.contains(word)), "{said:?} in {part}");
            assert!(!part.contains(not_said), "{not_said}");
        }
    }
    // Several types in one message: the words that fit all of them.
    for part in both(vec![pharmacy(), dental()]) {
        assert!(part.contains("Provider billed") && !part.contains("Dentist billed"));
    }
}

#[test]
fn the_order_is_that_in_which_a_member_asks() {
    for part in both(vec![usual()]) {
        in_order(
            &part,
            &[
                "THIS IS NOT A BILL",
                "2026-0417-88812",
                "$120.89",
                "How this adds up",
                "Your services",
                "Notes",
                "Where you stand",
                "Your right to appeal",
                "Questions?",
                "Español",
            ],
        );
    }
    for statement in [statement(15), denied()] {
        for part in both(vec![statement]) {
            in_order(&part, &["You may owe", "How this adds up", "180 days", "Your services"]);
            assert_eq!(part.matches("180 days").count(), 1);
        }
    }
    for part in both(vec![denied()]) {
        in_order(&part, &["did not pay this claim", "Why it was not paid", "does not cover this service", "How this adds up"]);
    }
}

#[test]
fn a_correction_names_the_amounts_that_changed() {
    assert_eq!(subject(vec![corrected()]), "Your corrected Explanation of Benefits from Lakeside Health Plan, November 2026");
    let [html, text] = both(vec![corrected()]);
    for part in [&html, &text] {
        in_order(part, &["CORRECTED", "replaces the notice", "What changed", "Plan paid", "$143.62", "$183.62", "How this adds up"]);
    }
    assert!(html.contains("<th scope=\"col\" class=\"c\">Before</th>"));
    assert!(text.contains("You may owe: Before $160.89, Now $120.89"), "{text}");
    let mut same = corrected();
    same.particulars.correction = Some(model::statement::Correction { changes: Vec::new() });
    assert!(both(vec![same]).iter().all(|part| part.contains("CORRECTED") && !part.contains("What changed")));
}

#[test]
fn a_month_of_claims_has_one_sum_and_a_list() {
    let [html, text] = both(month());
    for part in [&html, &text] {
        in_order(part, &["3 claims in this notice", "$241.39", "Claim by claim", "Summit Acupuncture", "180 days", "Claim 1", "Claim 3"]);
        assert_eq!(part.matches("180 days").count(), 1);
    }
    assert!(html.contains("<th scope=\"col\">Claim</th>"));
    let many: Vec<Statement> = (0..120).map(|_| usual()).collect();
    let [html, text] = both(many);
    assert!(html.len() < 90_000 && html.contains("more claims are in the plain-text part"), "{}", html.len());
    assert!(text.contains("Claim 120"));
}

#[test]
fn limits_are_sentences_and_a_bar_that_is_not_read_aloud() {
    let [html, text] = both(vec![usual()]);
    for part in [&html, &text] {
        assert!(part.contains("Deductible for one person, in network: $1,125.50 of $1,500.00 so far, $374.50 to go."), "{part}");
        assert!(part.contains("Deductible for the family, in network: $3,000.00 of $3,000.00: you have reached it."));
    }
    let bar =
        html.split("<table class=\"q\" role=\"presentation\" aria-hidden=\"true\">").nth(1).unwrap().split("</table>").next().unwrap();
    assert_eq!((bar.matches("<td class=\"f\"></td>").count(), bar.matches("<td></td>").count()), (15, 5));
}

#[test]
fn a_bill_is_a_bill() {
    assert_eq!(subject(vec![bill()]), "Your billing statement from Lakeside Health Plan, November 2026");
    for part in both(vec![bill()]) {
        in_order(
            &part,
            &[
                "THIS IS A BILL",
                "$76.36",
                "December 15, 2026",
                "778-2201",
                "Ways to pay",
                "Pay online",
                "1-800-555-0142",
                "Pay by mail",
                "Previous balance",
            ],
        );
        assert!(!part.contains("NOT A BILL") && !part.contains("180 days"));
    }
    let with_balance = |balance| {
        let mut bill = bill();
        bill.particulars.bill.as_mut().unwrap().balance = balance;
        both(vec![bill])
    };
    assert!(with_balance(Some(Cents::ZERO)).iter().all(|part| part.contains("Nothing to pay") && !part.contains("THIS IS A BILL")));
    assert!(with_balance(Some(Cents(-500))).iter().all(|part| part.contains("$5.00 credit") && !part.contains("Ways to pay")));
    assert!(with_balance(None).iter().all(|part| part.contains("Not known yet") && part.contains("does not mean $0")));
}

#[test]
fn whoever_acts_for_a_member_is_told_why_they_got_it() {
    let mut data = job(vec![usual()]);
    data.recipient.as_mut().unwrap().on_behalf_of = true;
    let preview = renderer().preview(&data, DATE).unwrap();
    assert!(preview.html.contains("because you act for the member") && preview.text.contains("because you act for the member"));
}

#[test]
fn a_denial_that_nothing_explains_is_named_by_its_code() {
    let renderer = renderer();
    let with = |notes: Vec<model::statement::Note>| Statement { notes, ..denied() };
    assert_eq!(renderer.unworded(&denied()), None);
    assert_eq!(renderer.unworded(&with(Vec::new())), Some(""));
    assert_eq!(
        renderer.unworded(&with(vec![note(NoteKind::Adjustment, "PR-204"), note(NoteKind::Adjustment, "CO-9999")])),
        Some("CO-9999")
    );
    let mut own_words = note(NoteKind::Adjustment, "CO-9999");
    own_words.text = Some("Your plan says why.".into());
    assert_eq!(renderer.unworded(&with(vec![own_words])), None);
    // A paid claim with one service that was not.
    let mut partly = with(vec![note(NoteKind::Adjustment, "CO-9999")]);
    partly.status = ClaimStatus::ProcessedPrimary;
    partly.lines[0].notes = vec![0];
    assert_eq!(renderer.unworded(&partly), Some("CO-9999"));
    partly.lines[0].amounts.plan_paid = Some(Cents(1));
    assert_eq!(renderer.unworded(&partly), None);
    assert_eq!(renderer.unworded(&bill()), None);
}
