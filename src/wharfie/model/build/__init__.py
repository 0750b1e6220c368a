"""Nouns of building: the graph of steps, the plan a frontend makes, and what a solver needs.

A frontend turns a Dockerfile into a `BuildPlan`, whose images point into a graph of vertices; a
solver turns a vertex into layers; an exporter turns layers and a plan into an image. They meet
only in these values, whoever called them (classic endpoint, BuildKit's protocol, a test).
"""
