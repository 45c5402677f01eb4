"""Where data files lie: tiers and policy, moves, recalls, and reading what lies elsewhere."""
