"""One verb a file, named like its command: what `oddframe.train`, `oddframe.score` and the others do."""
