"""Takes uploads, answers about runs, and passes event streams on."""
