"""A token to test with, and its hash."""

from oddframe.web.auth import hash_token

TOKEN = "a token that is long enough"
HASH = hash_token(TOKEN)
