"""A token to test with, and its hash."""

from oddframe.serve.access import hashed

TOKEN = "a token that is long enough"
HASH = hashed(TOKEN)
