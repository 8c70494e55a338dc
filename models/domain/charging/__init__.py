"""What an account's owner agrees to, and what is charged for it: values, below every decision."""
