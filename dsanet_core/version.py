"""The version of the project, as its package metadata has it."""

VERSION = "0.1.0"
