"""Useful, but not the question: the chapter in other frameworks, the cost of many devices, a stored baseline."""
