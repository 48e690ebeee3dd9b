//! A receiving world: MTAs with personalities, and their DNS
