"""What a page on batches says of gradient noise: the noise scale, and the batch size from which on more is no use."""
