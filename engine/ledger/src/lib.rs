//! Accounting and search: a SQLite projection of the record
