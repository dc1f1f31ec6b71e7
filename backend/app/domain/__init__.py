"""Values and errors that every layer shares. Imports nothing of ours and no web, client or database library."""
