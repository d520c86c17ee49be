"""What the old product's guide promises, line by line, where no other test shows it."""
