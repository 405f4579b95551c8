"""The `bodyseg` command."""
