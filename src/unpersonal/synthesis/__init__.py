"""Draw candidates, refuse those that are found to point back at a person, rank what is left, and keep the ledger."""
