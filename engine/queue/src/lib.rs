//! What is due when, and who is next
