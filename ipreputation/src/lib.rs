//! Source addresses, pools, warm-up
