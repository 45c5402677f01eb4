"""The daemon that imports every run appearing on the instruments' share; `daemon.py` is its loop."""
