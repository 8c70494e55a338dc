"""The bound: the least program that writes our rows, to know how much of a job's cost is not the rows'."""
