"""From a query to clauses, one request, and hits that can be explained."""
