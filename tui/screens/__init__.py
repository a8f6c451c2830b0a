"""The screens that open over the dashboard."""
