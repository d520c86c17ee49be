"""The notifier, whole and in parts."""
