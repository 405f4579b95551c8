"""Person perception."""
