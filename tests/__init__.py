"""Tests of all five packages."""
