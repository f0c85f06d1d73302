"""The domain in numpy and the standard library: no files, no clock, no threads, no torch."""
