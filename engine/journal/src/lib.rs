//! Jobs become durable, encrypted, recoverable
