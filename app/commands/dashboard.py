"""`gradewise dashboard`."""


def dashboard() -> None:
    """To come."""
