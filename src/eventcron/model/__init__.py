"""The nouns, by direction.

``names`` has what the others are made of, ``commands`` what programs send, ``events`` what eventcron publishes,
``records`` what the tables hold, ``messages`` what the queues carry.
"""
