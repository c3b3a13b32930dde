"""Adapters of other libraries, one a module, which is imported when a model of its is met.

Each has ``ADAPTERS``, by the names of types, so that no library is imported here.
"""
