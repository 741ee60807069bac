"""The source as it is read: text, syntax tree, scopes, and the files around it."""
