"""esmm: multi-modal hybrid search for an Elasticsearch product search that exists already."""

__version__ = "0.1.0"
