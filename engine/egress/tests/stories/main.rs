//! What egress does with receivers of every kind, over real sockets on loopback. One story per module, named as a sentence.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod a_connection_carries_message_after_message;
mod a_reply_at_any_phase_is_reported_as_it_was;
mod dns_answers_are_told_apart;
mod first_mx_down_second_delivers;
mod never_downgrades;
mod receiving;
mod the_final_dot_waits_for_the_gate;
mod what_is_said_of_the_last_byte_is_true;
