"""The operators' files, and drills with them."""
