"""Useful, but not the question.

The chapter in other frameworks, an audit of finders, what the chapter says of machines, the noise of gradients, curves
beside theory, the cost of many devices, a stored baseline, a race as arrays of Slurm jobs.
"""
