"""The ports on AWS, in memory, and the system's clock."""
