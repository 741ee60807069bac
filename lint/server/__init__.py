"""The language server: findings, rule pages and fixes in an editor while typing.

documents    open files and notebooks, as text that can be linted
diagnostics  findings in the form of the protocol
actions      fixes, and comments that silence a finding, as edits of the editor
scheduling   the time of each check
app          the server: its reaction to each message
"""
