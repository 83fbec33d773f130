"""The data sets' readers: one file each, a function ``NAME(config, folder)`` that returns a ``Dataset``."""
