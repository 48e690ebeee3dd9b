//! A job becomes MIME
