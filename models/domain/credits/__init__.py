"""What a wallet's number means: grants, holds and debt, and the one way in which they move."""
