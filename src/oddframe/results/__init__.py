"""The files that a scoring leaves for each recording, and how they are read back."""
