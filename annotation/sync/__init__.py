"""What travels between a workspace and Label Studio, and the local state that keeps it once."""
