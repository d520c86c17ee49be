"""Tests of the contracts: tables and properties, no servers."""
