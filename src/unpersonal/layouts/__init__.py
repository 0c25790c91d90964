"""Inputs to listings: `known` has one module per layout, `registry` finds them, `read` reads what is configured."""
