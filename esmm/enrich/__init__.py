"""Vectors for an index that exists and serves traffic: written into its documents, beside the shop's own writers.

``target`` finds the index and what its mapping lacks, ``scan`` reads it, ``documents`` tells which documents need
vectors, ``update`` writes under optimistic concurrency; ``run``, ``verify`` and ``remove`` are what a person asks for.
"""
