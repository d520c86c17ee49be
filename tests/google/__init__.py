"""The engine `google`, with its real client, against a Google on loopback."""
