"""Batch scoring: archives of thousands of recordings, by a worker pool, into tables."""
