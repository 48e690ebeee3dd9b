//! May this lane send one more now?
