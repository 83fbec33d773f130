"""What theory says of a run, drawn beside what was measured."""
