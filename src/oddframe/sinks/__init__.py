"""Where alerts are sent: a file for each kind of sink, and the threads that deliver to them."""
