"""One step a file. A step that is released is never changed again."""
