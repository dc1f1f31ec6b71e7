"""The one router that every front-end shares."""
