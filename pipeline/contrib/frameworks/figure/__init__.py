"""The figure of the comparison."""
