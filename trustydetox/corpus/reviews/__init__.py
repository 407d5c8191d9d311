"""What people decided about the texts of a run, and how it stands in the next."""
