"""Chaos: a whole fleet under random faults, whose order a seed gives, and what must hold nevertheless."""
