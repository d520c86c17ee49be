"""Fans events out to browsers and programs over SSE."""
