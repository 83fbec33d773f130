"""What the stages share: configuration, tables, theory, errors."""
