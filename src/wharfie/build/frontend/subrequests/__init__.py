"""Questions about a Dockerfile instead of builds of it: its targets, the outline of one.

Source: BuildKit frontend/subrequests, as `docker build --call` prints them.
"""
