"""The language server: findings, rule pages and fixes in an editor while one types.

documents    what is open: files and notebooks, as text that can be linted
diagnostics  findings as the protocol writes them
actions      fixes, and comments that silence a finding, as edits of the editor
scheduling   when what is open is linted
app          the server: which message leads to what
"""
