//! RFC 5321 as a state machine without sockets, both sides
