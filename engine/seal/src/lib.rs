//! DKIM signatures, and the protection a recipient needs
