"""The Discord plugin."""
