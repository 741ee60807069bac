"""The statistics of batch normalization: momentum, axis, batches, and copies."""
