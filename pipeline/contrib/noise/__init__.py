"""What a page on batches says of gradient noise: how it falls with the batch size, and where more is no use."""
