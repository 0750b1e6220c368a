"""Build checks: findings about Dockerfiles under Docker's names of the rules.

rules      the table of rules          checks     what the text alone shows
findings   collects, skips, fails      report     the answer of `docker build --check`
"""
