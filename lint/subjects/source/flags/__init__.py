"""The flag `training`: written out, passed on, left out or kept."""
