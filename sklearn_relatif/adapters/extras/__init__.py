"""Adapters of other libraries, one a module, which is imported when a model of its is met.

They are registered by the names of types, so that no library is imported here.
"""
