"""Useful, but not the question: the chapter in other frameworks, and a stored baseline."""
