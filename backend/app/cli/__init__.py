"""The command `llm-platform`. Exit codes: 0 ok, 1 failed, 2 usage, 3 no platform answers.

Its modules import nothing heavy before a command runs, so that `--help` comes at once.
"""


def main() -> None:
    from app.cli.program import program

    program()
