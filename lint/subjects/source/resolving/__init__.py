"""What names and expressions stand for, found without running anything."""
