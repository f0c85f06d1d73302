"""HTML pages for people, over results or over a training: each is one file without dependencies."""
