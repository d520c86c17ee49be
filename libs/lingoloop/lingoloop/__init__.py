"""The command line and the one-process mode: the only code that knows all services."""
