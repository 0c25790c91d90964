"""Readers (folder, zip, table, file list) to a checked cohort with a subject-wise split; the phantom default data."""
