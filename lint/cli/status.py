"""The exit statuses."""

FOUND, UNUSABLE, INTERRUPTED = 1, 2, 130
