//! The delivery engine for Explanations of Benefits and billing statements
