"""The verb `oddframe watch`: cameras in, events out, for months."""
