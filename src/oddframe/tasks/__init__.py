"""One verb a file, named like its command: `oddframe.train` is in train.py, and so on."""
