"""Writing the lake's rows in the field's own formats."""
