"""The layouts of an input: each module turns a configuration into a `Listing`."""
