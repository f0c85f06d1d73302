"""Cameras in, events out, for months: what the verb `oddframe watch` and the app run on."""
