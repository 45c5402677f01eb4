"""Coded columns decoded on a GPU: what `lake/columns` does on the CPU, many streams at once."""
