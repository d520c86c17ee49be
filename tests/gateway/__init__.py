"""The gateway, whole and in parts."""
