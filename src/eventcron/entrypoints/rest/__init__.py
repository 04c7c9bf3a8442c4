"""The REST API: the commands of the bus with an immediate answer, by the same decoder and the same registrar.

``routes`` lists the paths, ``operations`` serves them, ``problem`` describes failures (RFC 9457), ``caller`` checks who
may act for which tenant. ``openapi`` generates ``openapi.json`` from the routes and the structs.
"""
