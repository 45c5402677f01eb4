"""Computation on what the lake holds: align, sort, mark duplicates, call."""
