"""What every engine does, and one from outside."""
