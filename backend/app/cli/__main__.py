"""`python -m app.cli`, for where the installed command is not at hand."""

from app.cli import main

main()
