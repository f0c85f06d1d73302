"""Training clips, benchmark layouts, label formats and the drawn scene."""
