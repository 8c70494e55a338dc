"""THE PATH: from jobs to outcomes, in one transaction a batch; what is waited out, and what is set aside."""
