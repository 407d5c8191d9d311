"""The run folder: records, quarantine, ledger, and whole files or none."""
