"""What two or more tabs use: endpoints, files, controls for a model, texts."""
