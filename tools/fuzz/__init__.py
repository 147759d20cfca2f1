"""Damaged videos, made by seed and put through the real way into the program."""
