def main(*, jobs: int, chosen: str) -> int:
    return 0
