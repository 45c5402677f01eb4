"""Keeping a lake well: small files made into large ones, snapshots expired, damage found and mended, backups."""
