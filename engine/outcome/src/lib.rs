//! What the reply means
