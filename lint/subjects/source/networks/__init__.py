"""What networks and layers hold, and whether they are frozen."""
