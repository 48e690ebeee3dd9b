//! The seam to the outside: clock, disk, network, randomness, tasks, channels; real and simulated
