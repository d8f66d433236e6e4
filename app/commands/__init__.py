"""One file a noun; see `app.cli`."""
