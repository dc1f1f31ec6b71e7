"""A share of the requests that may be sent once more: so that a failing upstream is never asked to death."""


class Budget:
    """Every request earns `share` of a further try; `first` are given from the start, `most` may be saved up.

    So after N requests at most `first + share * N` further tries were made, however they fail.
    """

    __slots__ = ("_most", "_saved", "share")

    def __init__(self, share: float, first: float = 3.0, most: float = 100.0) -> None:
        self.share = share
        self._saved = first
        self._most = most

    def earn(self) -> None:
        self._saved = min(self._most, self._saved + self.share)

    def spend(self) -> bool:
        """Whether a further try may be made."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True
