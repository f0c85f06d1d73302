"""One Scorer seam; each backend is one file."""
