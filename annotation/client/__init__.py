"""A Label Studio server as gradewise sees it: the protocol, replies, accounts, and a fake."""
