//! What an address may still do today, in one line a person can act on.

use crate::address::{Day, SourceAddress};
use crate::pool::{Pools, leased_on};
use crate::warmup::Warmup;
use model::Timestamp;

/// `203.0.113.6 (statements, transactional): warm-up day 7, 2300 of 10000 leased today`.
pub fn explain(pools: &Pools, address: &SourceAddress, now: Timestamp) -> String {
    let today = Day::of(now);
    let Some(member) = pools.member(address) else {
        return format!("{}: the kernel chooses the address, there is no ceiling", address.ehlo_name);
    };
    let leased = leased_on(member, today);
    let head = format!("{} ({}, {}): ", member.ip, member.pool, member.stream);
    let day = pools.started(member, today).and_then(|started| Warmup::day_number(started, today));
    match (pools.ceiling_of(member, today), day) {
        (None, _) => format!("{head}warm, {leased} leased today"),
        (Some(_), None) => format!("{head}its warm-up has not begun"),
        (Some(ceiling), Some(day)) if leased >= ceiling => {
            format!("{head}warm-up day {day}, all {ceiling} of today are leased; more after {}", today.end().to_jiff())
        }
        (Some(ceiling), Some(day)) => format!("{head}warm-up day {day}, {leased} of {ceiling} leased today"),
    }
}
