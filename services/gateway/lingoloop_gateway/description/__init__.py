"""The API's description: one table of routes, and the document that is made of it."""
