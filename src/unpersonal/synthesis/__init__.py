"""Draw candidates, refuse every one that points back at a person, rank what is left, and keep the ledger."""
