"""Contracts between services and with clients: states, units, events, transcripts. No I/O."""
