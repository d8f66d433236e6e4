"""From pairs to trusted labels: sampling, Label Studio, adjudication."""
