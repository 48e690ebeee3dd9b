//! Invented members, batches and keys for tests, demo and load
