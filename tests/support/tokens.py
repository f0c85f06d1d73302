"""A token to test with, and its hash."""

from oddframe.web.auth import hashed

TOKEN = "a token that is long enough"
HASH = hashed(TOKEN)
