"""Schedule files, and what they would fire, without a deployment."""
