"""The operators' console: what goes on, one order as it ran, and what a person can do about it."""
