"""The figure of the audit."""
