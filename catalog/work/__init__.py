"""Work that nobody has to ask for: what samples wait for, who is at it, and where the bytes for it lie.

What is to be done follows from `lineage`, which a job's commit writes together with what the job made: reads that came
ask for alignment, alignments for calls, calls for quality control. So nothing that is visible can have been forgotten,
and who does a stage by hand has done it here, too.
"""
