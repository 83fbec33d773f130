"""What theory says of runs, drawn beside what was measured."""
