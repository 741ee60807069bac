"""Networks that are frozen too late, in part, or for others."""
