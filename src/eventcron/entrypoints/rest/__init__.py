"""The REST API: the same commands, decoded as strictly and applied by the same registrar, answered at once.

``routes`` says what there is, ``operations`` does it, ``problem`` says what went wrong (RFC 9457), ``caller`` who may
act for which tenant. ``openapi.json`` is generated from the routes and the structs by ``openapi``.
"""
