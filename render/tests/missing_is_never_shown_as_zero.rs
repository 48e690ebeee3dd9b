//! Invariant 14: an amount the source does not state is said to be so; nothing a member reads is invented.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

mod invented;

use invented::{DATE, job, nothing_to_pay, renderer, statement, unknown_amounts};
use model::statement::{Amounts, LiabilityRule};
use model::{Cents, Statement};

fn both(statements: Vec<Statement>) -> [String; 2] {
    let preview = renderer().preview(&job(statements), DATE).unwrap();
    [preview.html, preview.text]
}

#[test]
fn unstated_amounts_have_no_dollar_sign() {
    for part in both(vec![unknown_amounts()]) {
        assert!(!part.contains("$0.00"));
        // Billed and paid, of the claim and of three services, and "this does not mean $0".
        assert_eq!(part.matches('$').count(), 2 * 4 + 1, "{part}");
        assert!(part.contains("Not known yet") && part.contains("— not stated"));
    }
}

#[test]
fn every_field_of_the_amounts_is_shown_as_it_is() {
    let fields: [fn(&mut Amounts) -> &mut Option<Cents>; 9] = [
        |amounts| &mut amounts.billed,
        |amounts| &mut amounts.allowed,
        |amounts| &mut amounts.discount,
        |amounts| &mut amounts.plan_paid,
        |amounts| &mut amounts.deductible,
        |amounts| &mut amounts.coinsurance,
        |amounts| &mut amounts.copay,
        |amounts| &mut amounts.not_covered,
        |amounts| &mut amounts.member_owes,
    ];
    for field in fields {
        let mut marked = statement(1);
        *field(&mut marked.lines[0].amounts) = Some(Cents(7_777_777));
        let with = both(vec![marked.clone()]);
        *field(&mut marked.lines[0].amounts) = None;
        let without = both(vec![marked]);
        for (with, without) in with.iter().zip(&without) {
            assert_eq!(with.matches("$77,777.77").count(), 1);
            assert_eq!(without.matches("— not stated").count(), with.matches("— not stated").count() + 1);
        }
    }
}

#[test]
fn a_number_under_an_unknown_rule_is_not_shown() {
    let mut doubtful = statement(1);
    doubtful.liability_rule = LiabilityRule::Unknown;
    doubtful.totals.member_owes = Some(Cents(471_100));
    for part in both(vec![doubtful]) {
        assert!(!part.contains("$4,711.00") && part.contains("Not known yet"));
    }
}

#[test]
fn a_true_zero_is_nothing_to_pay_and_a_negative_one_a_credit() {
    for part in both(vec![nothing_to_pay()]) {
        assert!(part.contains("Nothing to pay") && !part.contains("Not known yet"));
    }
    let mut back = statement(1);
    back.totals.member_owes = Some(Cents(-1_250));
    for part in both(vec![back]) {
        assert!(part.contains("Credit to you") && part.contains("$12.50 credit"));
    }
}

#[test]
fn one_unknown_claim_makes_the_total_unknown() {
    for part in both(vec![statement(1), unknown_amounts()]) {
        let head = &part[..part.find("Claim 1").unwrap()];
        assert!(head.contains("Not known yet") && !head.contains("in total"), "{head}");
    }
    for part in both(vec![statement(1), nothing_to_pay()]) {
        assert!(part.contains("You may owe in total"));
    }
}
