"""A token to test with, and its hash.

The hash is of the same kind as ours and far cheaper: what a check costs is written in the hash.
"""

from argon2 import PasswordHasher

TOKEN = "a token that is long enough"
HASH = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(TOKEN)
