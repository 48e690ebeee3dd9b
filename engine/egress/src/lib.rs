//! DNS, TLS, connections, the conversation
