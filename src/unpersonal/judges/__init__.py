"""The judges: a re-identifier that refuses what it finds to point back at a person, and a classifier that ranks."""
