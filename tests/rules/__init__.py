"""The rules of work (design, section 1), each proven on real servers."""
