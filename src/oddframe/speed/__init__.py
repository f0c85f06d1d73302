"""How fast this machine is: what is measured, each measurement in a process of its own."""
