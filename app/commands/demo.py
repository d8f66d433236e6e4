"""`gradewise demo`."""


def demo() -> None:
    """To come."""
