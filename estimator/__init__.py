"""What would be: the bytes that an engine would take for a model, place by place, and why."""
