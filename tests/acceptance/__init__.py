"""The installed program, tried from outside."""
