"""The judges: a re-identifier that refuses what points back at a person, and a label classifier that ranks the rest."""
