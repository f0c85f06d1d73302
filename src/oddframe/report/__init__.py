"""Pages for people: what was found in recordings, and what a training learned; each one file that opens anywhere."""
