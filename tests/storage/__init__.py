"""Storage: one behaviour of all stores, and what each does beyond it."""
