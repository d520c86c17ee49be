"""Does the work: claims units, plans recordings into chunks, and turns chunks into timed words."""
