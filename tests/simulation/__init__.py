"""Two hundred owners and 64 slots, simulated on the real claim, database and broker."""
