"""Footage and labels as arrays: the frame cache, training clips, benchmark layouts, label files."""
