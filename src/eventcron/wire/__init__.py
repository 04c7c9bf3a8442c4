"""Bytes to model and back: strict decoding, encoding, rejections and JSON Schemas. Pure."""
