"""What the chapter and its source say of machines: matrix products, memory, loaders, and a clock that misleads."""
