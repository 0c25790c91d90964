"""Attacks: one object `ATTACK` in every module."""
