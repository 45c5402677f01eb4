"""Import of VCF, BCF and gVCF."""
