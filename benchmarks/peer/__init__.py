"""The fastest of the workers off the shelf that were tried: pgqueuer, with one SQL function call for each job."""
