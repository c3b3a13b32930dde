"""The common problem, other packages' exact influence functions, and the processes that time them.

A module ``with_<package>`` defines ``Attributor``: ``Attributor(problem)`` prepares what is not
timed (tensors, the fitted model), ``criteria`` names what the package can compute, and
``matrices(criteria)`` returns {criterion: scores}, each (n_queries, n_rows) up to a common factor.
Where there is an ``explain()``, it returns {criterion: (indices, scores)}, five rows a query.
"""
