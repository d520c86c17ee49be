"""Measures LingoLoop against what people would run otherwise, both in the same run."""
