"""Quality control of a called sample: metrics from its alignments and calls, and a report of them."""
