"""Race cells until the best is certain, and say how certain it is."""
