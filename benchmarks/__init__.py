"""Speed and quality, measured side by side with what a user would pick instead. `make bench` runs all of it."""
