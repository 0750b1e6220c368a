"""`build`, the client's side: contexts found and lent, flags to parameters, results written."""
