"""What Stockade tells of itself: counters in shared memory, the decision log, structured logs."""
