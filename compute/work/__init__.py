"""The service that does what samples wait for, beside their data, unasked."""
