"""The transcriber's parts, each alone."""
